"""The benches' pieces, at a tiny size."""

import json
import subprocess
import sys
from functools import reduce
from importlib import import_module
from types import SimpleNamespace

import pytest

from bench import kafka, other_bars, scaling, scaling_workload, start, start_parts
from bench.paths import GOLDEN, JOB
from bench.real_kafka.broker import missing
from tapeflow.flows.job.settings import load
from tapeflow.operators.strategies.step import EvaluateStrategies
from tests.growing import records_of, write_tape


@pytest.mark.slow
def test_the_start_of_every_command_is_measured_with_its_budget(tmp_path):
    assert 0 < start.time_to_first_tick(tmp_path / "results.duckdb")["cpu"] < 120_000
    short = start.commands(tmp_path / "results.duckdb")
    assert short.keys() == {"--help", "query", "digest", "doctor"}
    for command in short.values():
        times = start.time_to_end(command)
        assert 0 < times["cpu"] < 120_000 > times["wall"] > 0
        assert start.budget(command)["start"]["own modules"] > 0
    parts = start.budget(start.replay(tmp_path / "again.duckdb"))
    assert {"interpreter", "numpy", "duckdb", "job read", "first page"} <= parts["start"].keys()
    assert {"DuckDB created", "commit", "publish", "teardown"} <= parts["end"].keys()
    assert all(ms >= 0 for phase in parts.values() for ms in phase.values())


@pytest.mark.parametrize(("module", "name"), [(m, n) for _, m, n in start_parts.CALLS])
def test_every_call_of_the_budget_exists(module, name):
    assert callable(reduce(getattr, name.split("."), import_module(module)))


def test_the_first_tick_splits_the_budget():
    clocks = start_parts.Clocks()
    fold = SimpleNamespace(step=EvaluateStrategies(()))
    with clocks.part("job read"):
        pass
    clocks.begin_execution()
    with clocks.part("kernels"):
        sum(range(1_000_000))
    clocks.end_first_page(SimpleNamespace(step=None))  # an earlier step
    clocks.end_first_page(fold)
    with clocks.part("commit"):
        pass
    start_ns, end_ns = clocks.figures()["cpu"].values()
    assert {"job read", "kernels", "first page"} < start_ns.keys()
    assert start_ns["kernels"] > start_ns["first page"] > 0
    assert end_ns.keys() == {"commit", "total"}


def test_a_start_exactly_at_its_target_misses():
    replays = [{"cpu": ms, "wall": 3 * ms} for ms in (100.0, 499.0, 900.0)]
    lines = start.check_targets(
        {start.FIRST_TICK: replays, "--help": [{"cpu": 200.0, "wall": 1.0}]}
    )
    assert [line.outcome for line in lines] == ["passed", "missed"]
    table = "\n".join(start.format_table(lines))
    assert "499     1497     500  passed" in table
    assert "200        1     200  missed" in table


def test_a_part_that_takes_no_time_anywhere_is_no_line_of_the_budget():
    runs = [{"start": {"numpy": 40.0, "enum": 0.1}, "end": {"publish": 9.0}}]
    lines = [*start.format_budgets({"replay": runs, "--help": [{"start": {}, "end": {}}]})]
    assert [line.split() for line in lines[1:]] == [
        ["start", "numpy", "40.0"],
        ["end", "publish", "9.0"],
    ]


def test_the_command_line_is_imported_without_pydantic_and_numpy():
    look = "import sys, tapeflow.flows.cli.main; print('pydantic' in sys.modules or 'numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.slow
def test_a_market_of_many_instruments_is_measured(tmp_path, monkeypatch):
    monkeypatch.setattr(scaling_workload, "BUILD", tmp_path)
    shapes = scaling.Shape(4), scaling.Shape(40, 2)
    [few, many] = scaling.measure_table(shapes, 2000, 1)
    assert few["records"] == many["records"] == 2000
    assert 0 < few["bars"] <= 4
    assert few["bars"] < many["bars"] <= 40
    assert few["cpu_us_per_tick"] > 0


def test_every_frame_of_a_scaling_workload_is_a_valid_trade(tmp_path):
    scaling_workload.write_tapes(tmp_path / "tapes", 20, 500, seed=1)
    lines = [
        line for tape in (tmp_path / "tapes").iterdir() for line in tape.read_text().splitlines()
    ]
    assert len(lines) == 500
    frames = [json.loads(line.partition(" ")[2]) for line in lines]
    symbols = {f"{base}USDT" for base in scaling_workload.base_symbols(20)}
    assert {frame["s"] for frame in frames} == symbols
    assert all(float(frame["p"]) > 0 and float(frame["q"]) > 0 for frame in frames)


def test_growth_of_cost_is_the_last_row_over_the_first():
    row = {
        "strategies": 1,
        "ticks_per_s": 1e6,
        "peak_mib": 300,
        "bars": 5,
        "signals": 4,
        "orders": 3,
    }
    rows = [{**row, "cpu_us_per_tick": 0.5}, {**row, "strategies": 200, "cpu_us_per_tick": 2.0}]
    table = "\n".join(scaling.format_table("strategies on 50 instruments", rows))
    assert "200 over 1: 4.00" in table
    assert "2.0%" in table


@pytest.mark.kafka
@pytest.mark.slow
def test_the_reference_job_is_measured_through_kafka(monkeypatch):
    if absent := missing():
        pytest.skip(f"Apache Kafka needs {absent}")
    monkeypatch.setattr(kafka, "reference_tapes", lambda records: GOLDEN)
    kinds = kafka.measure(20_000, 1)
    assert kinds.keys() == {"plain", "packed"}
    for row in kinds.values():
        assert row["records"] == 20_000
        assert row["ticks_per_s"] > 0 and row["load_s"] > 0


def test_records_slower_than_their_target_miss():
    row = {"cpu_us_per_tick": 1.5, "peak_mib": 600, "load_s": 5}
    fast, slow = ({**row, "ticks_per_s": rate, "target": 600_000} for rate in (600_000, 599_999))
    _, first, second = kafka.format_table({"plain": fast, "packed": slow})
    assert "passed" in first
    assert "missed" in second


def test_the_bench_of_other_bars_measures_every_kind(tmp_path, monkeypatch):
    write_tape(tmp_path, records_of(["BTC", "ETH"], 300))
    monkeypatch.setattr(other_bars, "reference_tapes", lambda _: tmp_path)
    job = load(JOB)
    values = other_bars.settled_batches(job, 300)
    assert all(len(each.market.quotes) == len(each.market.trades) > 0 for each in values)
    rows = other_bars.measure(job, values, 1)
    assert rows.keys() == {"watermark", other_bars.ALL, *other_bars.KINDS}
    assert all(ns > 0 for ns, _ in rows.values())
    assert {name for name in ("watermark", "5s", "tick:100", "quote:1s") if rows[name][1]} == {
        "5s", "tick:100", "quote:1s",
    }  # fmt: skip
