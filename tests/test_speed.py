"""The tables of bench.speed and bench.history, from made-up runs."""

import json

import pytest

from bench import history, speed, whole
from bench.paths import ROOT
from docs import outputs


def measurement(records, seconds):
    return {"records": records, "seconds": seconds}


ROUND = {
    speed.OURS: measurement(6000, 1),
    speed.PLAIN: measurement(6000, 9),
    speed.IDIOMATIC: measurement(600, 2),
    speed.LONG: measurement(6000, 2),
    speed.TWO_WORKERS: measurement(6000, 1.5),
    speed.SHORT: measurement(1000, 1),
    speed.SHORT_2P: measurement(1000, 3),
    speed.LONG_2P: measurement(6000, 3.5),
}


def test_start_up_is_in_the_long_and_the_short_run_and_so_in_no_rate():
    rates = speed.rates(ROUND)
    assert rates[speed.WITHOUT_STARTUP] == 5000
    assert rates[speed.WITHOUT_STARTUP_2P] == 10_000


def test_one_noisy_round_of_three_changes_no_median():
    noisy = {name: measurement(run["records"], 10 * run["seconds"]) for name, run in ROUND.items()}
    assert speed.medians([ROUND, noisy, ROUND]) == ROUND


def test_a_ratio_exactly_at_its_target_passes():
    targets = {
        target["rate"] + target["reference"]: target
        for target in speed.check_targets(speed.rates(ROUND))
    }
    plain = targets[speed.OURS + speed.PLAIN]
    assert (plain["ratio"], plain["passed"]) == (pytest.approx(9), True)
    assert not targets[speed.OURS + speed.IDIOMATIC]["passed"]
    assert not targets[speed.TWO_WORKERS + speed.LONG]["passed"]
    assert targets[speed.WITHOUT_STARTUP_2P + speed.WITHOUT_STARTUP]["passed"]


def test_a_long_run_that_took_no_longer_has_no_rate_and_misses():
    rates = speed.rates({**ROUND, speed.LONG_2P: measurement(6000, 2)})
    assert rates[speed.WITHOUT_STARTUP_2P] != rates[speed.WITHOUT_STARTUP_2P]  # nan
    assert not speed.check_targets(rates)[-1]["passed"]


def test_the_table_names_the_number_of_records_of_each_rate():
    ticks_per_s = speed.rates(ROUND)
    figures = {
        "rounds": 1,
        "records": 6000,
        "short_records": 1000,
        "idiomatic_records": 600,
        "ticks_per_s": ticks_per_s,
        "targets": speed.check_targets(ticks_per_s),
    }
    table = "\n".join(speed.format_table(figures))
    assert "per-item Bytewax flow (600 records)" in table
    assert "beyond the first 1,000" in table
    assert table.count("passed") == 2
    assert table.count("missed") == 2


def test_a_stored_run_stands_in_the_history_with_its_ratios(tmp_path):
    ticks_per_s = speed.rates(ROUND)
    figures = {
        "rounds": 3,
        "records": 6000,
        "ticks_per_s": ticks_per_s,
        "targets": speed.check_targets(ticks_per_s),
    }
    path = tmp_path / "history.jsonl"
    path.write_text(json.dumps(history.stored_run(figures, "2026-11-22", "made up")) + "\n")
    *_, row = history.format_table(history.stored_runs(path))
    assert row.split() == ["2026-11-22", "3", "6,000", "6,000", "9.00", "20.00", "1.33", "2.00", "made", "up"]  # fmt: skip


def test_docs_show_the_history_as_the_command_prints_it():
    shown = dict(outputs.blocks(ROOT / "docs" / "speed-details.md"))
    table = "\n".join(history.format_table(history.stored_runs(history.HISTORY)))
    assert shown["python -m bench.history"] == table + "\n"


def test_a_whole_replay_is_a_line_through_its_sizes_and_compared_at_one():
    runs = {size: whole.Run(0.5 + size * 0.25e-6, 1.0, 250.0) for size in whole.SIZES}
    steady_us, fixed_s = whole.line_through(runs)
    assert (round(steady_us, 6), round(fixed_s, 6)) == (0.25, 0.5)
    targets = {
        each.what: (round(each.figure, 3), "passed" in str(each))
        for each in whole.check_targets(runs)
    }
    assert targets == {
        "2,000,000 records, CPU, over C": (2.083, True),
        "2,000,000 records, CPU, over Go in batches": (0.943, True),
        "steady, CPU us a record": (0.25, True),
        "steady, over Go with all fused": (0.562, False),
        "8,000,000 records, peak MiB": (250.0, True),
    }
    found = {1: [whole.Run(3, 3, 1), whole.Run(1, 9, 2), whole.Run(2, 1, 3)]}
    assert whole.medians(found) == {1: whole.Run(2, 3, 2)}
    assert whole.format_table(found and whole.medians(found))
