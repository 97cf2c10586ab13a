"""What a user sees of a failure: one line of ours, and nothing of the engine's own output."""

import os
import subprocess
import sys

import pytest

from tests.running import JOB, REFERENCE, ROOT

GOLDEN = REFERENCE / "golden"


def replay(tapes, folder, *options, prefix=""):
    """Run a replay in a process of its own; return it when it has ended."""
    code = f"{prefix}import sys; from tapeflow.flows.cli.main import main; sys.exit(main(sys.argv[1:]))"
    line = [
        sys.executable, "-c", code, "replay", tapes, "--config", JOB,
        "--results", folder / "results.duckdb", *options,
    ]  # fmt: skip
    return subprocess.run(
        list(map(str, line)),
        check=False,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "RUST_BACKTRACE": "full"},
    )


@pytest.mark.parametrize("options", [(), ("--workers", 2), ("--processes", 2)])
def test_a_damaged_tape_is_one_line_in_every_shape(tmp_path, options):
    (tmp_path / "binance-0.tape").write_text("no log time\n")
    failed = replay(tmp_path, tmp_path, *options)
    assert failed.returncode == 1
    (line,) = failed.stderr.splitlines()
    assert "binance-0.tape: record 0 begins with" in line


@pytest.mark.parametrize("options", [(), ("--workers", 2)])
def test_a_bug_is_one_line_and_its_trace_is_in_a_file(tmp_path, options):
    broken = "import tapeflow.connectors.duckdb.sink as sink; sink.begin_run = lambda *_: 1 / 0; "
    failed = replay(GOLDEN, tmp_path, *options, prefix=broken)
    assert failed.returncode == 1
    line = failed.stderr.splitlines()[-1]
    assert "unexpected ZeroDivisionError: division by zero" in line
    assert "Traceback" not in failed.stderr
    assert "panicked" not in failed.stderr
    (trace,) = tmp_path.glob("tapeflow-error-*.txt")
    assert str(trace) in line
    text = trace.read_text()
    assert "Traceback" in text
    assert "ZeroDivisionError" in text
    assert "command: " in text
    assert "panicked" in text or options, "what the engine printed is kept for who mends it"


def test_what_a_library_prints_during_a_good_run_is_shown(tmp_path):
    warning = (
        "import os; import tapeflow.connectors.duckdb.sink as sink; begin_run = sink.begin_run; "
        "sink.begin_run = lambda *a: (os.write(2, b'a warning of a library\\n'), begin_run(*a)); "
    )
    done = replay(GOLDEN, tmp_path, prefix=warning)
    assert done.returncode == 0
    assert "a warning of a library" in done.stderr.splitlines()


def test_files_of_a_folder_that_are_not_read_are_named(tmp_path):
    tapes = tmp_path / "tapes"
    (tapes / "2026-01-05").mkdir(parents=True)
    (tapes / "binance-0.tape").write_bytes(b"1700000000000000000 \n")
    for name in ("coinbase-0.tape.xz", "coinbase-1.TAPE", "notes.txt", ".hidden"):
        (tapes / name).write_bytes(b"")
    done = replay(tapes, tmp_path)
    assert done.returncode == 0
    (line,) = [line for line in done.stderr.splitlines() if "not read" in line]
    for name in ("2026-01-05", "coinbase-0.tape.xz", "coinbase-1.TAPE", "notes.txt"):
        assert name in line
    assert ".hidden" not in line


def test_times_are_utc_whatever_the_zone_of_the_reader(tmp_path):
    assert replay(GOLDEN, tmp_path).returncode == 0
    sql = "SELECT epoch(min(open_time)::TIMESTAMPTZ)::BIGINT AS s FROM bars"
    answers = {
        subprocess.run(
            [sys.executable, "-m", "tapeflow", "query", sql, "--format", "csv",
             "--results", str(tmp_path / "results.duckdb")],
            check=True, capture_output=True, cwd=ROOT, env={**os.environ, "TZ": zone},
        ).stdout
        for zone in ("UTC", "Asia/Tokyo", "America/New_York")
    }  # fmt: skip
    assert len(answers) == 1
