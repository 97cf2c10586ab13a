"""The benches' pieces, at a tiny size."""

import json
import subprocess
import sys

import pytest

from bench import kafka, scaling, start
from bench import scaling_workload as wide
from bench.real_kafka.broker import missing
from bench.replay import GOLDEN


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
    look = "import sys, tapeflow.flows.cli.main; print('pydantic' in sys.modules or 'numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.slow
def test_a_wide_market_is_traded(tmp_path, monkeypatch):
    monkeypatch.setattr(wide, "ROOT", tmp_path)
    [few, many] = scaling.rounds((scaling.Shape(4), scaling.Shape(40, 2)), 2000, 1)
    assert few["records"] == many["records"] == 2000
    assert 0 < few["bars"] <= 4
    assert few["bars"] < many["bars"] <= 40
    assert few["cpu_us_per_tick"] > 0


def test_every_frame_of_a_wide_market_is_a_trade_that_counts(tmp_path):
    wide.write(tmp_path / "tapes", 20, 500, seed=1)
    lines = [
        line for tape in (tmp_path / "tapes").iterdir() for line in tape.read_text().splitlines()
    ]
    assert len(lines) == 500
    frames = [json.loads(line.partition(" ")[2]) for line in lines]
    assert {frame["s"] for frame in frames} == {f"{base}USDT" for base in wide.bases(20)}
    assert all(float(frame["p"]) > 0 and float(frame["q"]) > 0 for frame in frames)


def test_growth_is_that_of_the_last_row_over_the_first():
    row = {
        "strategies": 1,
        "ticks_per_s": 1e6,
        "peak_mib": 300,
        "bars": 5,
        "signals": 4,
        "orders": 3,
    }
    rows = [{**row, "cpu_us_per_tick": 0.5}, {**row, "strategies": 200, "cpu_us_per_tick": 2.0}]
    table = "\n".join(scaling.shown("strategies on 50 instruments", rows))
    assert "200 over 1: 4.00" in table
    assert "2.0%" in table


@pytest.mark.kafka
@pytest.mark.slow
def test_the_reference_job_is_measured_through_kafka(monkeypatch):
    if absent := missing():
        pytest.skip(f"Apache Kafka needs {absent}")
    monkeypatch.setattr(kafka, "reference_tapes", lambda records: GOLDEN)
    kinds = kafka.measured(20_000, 1)
    assert kinds.keys() == ({"plain", "packed"} if kafka.CAN_PACK else {"plain"})
    for row in kinds.values():
        assert row["records"] == 20_000
        assert row["ticks_per_s"] > 0 and row["load_s"] > 0


def test_a_kind_that_is_slower_than_its_mark_misses():
    row = {"cpu_us_per_tick": 1.5, "peak_mib": 600, "load_s": 5}
    fast, slow = ({**row, "ticks_per_s": rate, "mark": 600_000} for rate in (600_000, 599_999))
    _, first, second = kafka.shown({"plain": fast, "packed": slow})
    assert "passed" in first
    assert "missed" in second
