"""The table of bench.speed, from runs made up."""

import pytest

from bench import speed


def told(records, seconds):
    return {"records": records, "seconds": seconds}


ROUND = {
    speed.OURS: told(6000, 1),
    speed.PLAIN: told(6000, 6),
    speed.IDIOMATIC: told(600, 2),
    speed.ONE: told(6000, 2),
    speed.TWO_WORKERS: told(6000, 1.5),
    speed.SHORT: told(1000, 1),
    speed.TWO_FEW: told(1000, 3),
    speed.LONG_2P: told(6000, 3.5),
}


def test_start_up_is_in_both_runs_and_so_in_no_rate():
    rates = speed.rates(ROUND)
    assert rates[speed.WITHOUT_STARTUP] == 5000
    assert rates[speed.TWO_STARTED] == 10_000


def test_one_noisy_round_of_three_changes_nothing():
    noisy = {name: told(run["records"], 10 * run["seconds"]) for name, run in ROUND.items()}
    assert speed.medians([ROUND, noisy, ROUND]) == ROUND


def test_exactly_at_the_mark_passes():
    marks = {mark["rate"] + mark["than"]: mark for mark in speed.check_targets(speed.rates(ROUND))}
    plain = marks[speed.OURS + speed.PLAIN]
    assert (plain["ratio"], plain["passed"]) == (pytest.approx(6), True)
    assert not marks[speed.OURS + speed.IDIOMATIC]["passed"]
    assert not marks[speed.TWO_WORKERS + speed.ONE]["passed"]
    assert marks[speed.TWO_STARTED + speed.WITHOUT_STARTUP]["passed"]


def test_a_long_run_that_took_no_longer_has_no_rate_and_misses():
    rates = speed.rates({**ROUND, speed.LONG_2P: told(6000, 2)})
    assert rates[speed.TWO_STARTED] != rates[speed.TWO_STARTED]  # nan
    assert not speed.check_targets(rates)[-1]["passed"]


def test_the_table_says_of_how_many_records_each_rate_is():
    reached = speed.rates(ROUND)
    report = {
        "rounds": 1, "records": 6000, "few": 1000, "idiomatic_records": 600, "ticks_per_s": reached,
        "marks": speed.check_targets(reached), "machine": {"processor": "abacus"},
    }  # fmt: skip
    table = "\n".join(speed.shown(report))
    assert "per-item Bytewax flow (600 records)" in table
    assert "beyond the first 1,000" in table
    assert table.count("passed") == 2
    assert table.count("missed") == 2
    assert "processor abacus" in table
