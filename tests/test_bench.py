"""The benches' pieces, at a tiny size."""

import subprocess
import sys

import pytest

from bench import start


@pytest.mark.slow
def test_every_start_is_measured(tmp_path):
    assert 0 < start.to_first_tick(tmp_path / "results.duckdb") < 120
    seconds = {
        name: start.to_end(command)
        for name, command in start.commands(tmp_path / "results.duckdb").items()
    }
    assert seconds.keys() == {"--help", "query", "digest", "doctor"}
    assert all(0 < taken < 120 for taken in seconds.values())


def test_at_the_mark_is_missed():
    told = start.lines({start.FIRST_TICK: [1.0, 1.9, 9.0], "--help": [0.4, 0.4, 0.1]})
    assert [line.verdict for line in told] == ["passed", "missed"]
    table = "\n".join(start.shown(told))
    assert "1.90     2.0  passed" in table
    assert "0.40     0.4  missed" in table


def test_what_reads_no_job_waits_for_none():
    look = "import sys, flows.__main__; print('pydantic' in sys.modules or 'numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
