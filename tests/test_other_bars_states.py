"""Bars of other kinds under a state: stopped and gone on with, of a job that changes."""

import pytest

from tapeflow.schemas.errors import TapeflowError
from tests.growing import (
    ADA,
    BTC,
    ETH,
    ZEC,
    facts,
    job_of,
    records_of,
    run_on,
    stop_at,
    strategy,
    write_tape,
)

ALL = records_of(["BTC", "ADA", "ETH", "ZEC"], 800)
KINDS = ["5s", "1m", "tick:9", "volume:20", "quote:2s"]
MORE = {"bars": {"width": "1s", "lateness": "0ms", "more": KINDS}}
OWN = "tests.test_other_bars:Needy"


def job(instruments=(BTC, ETH), **sections):
    return job_of(instruments, [strategy("trend", BTC, ETH)], **{**MORE, **sections})


def needy(*needs):
    """Return a job with a strategy that needs these, in whose `more` nothing is."""
    own = {"name": "own", "kind": OWN, "account": "main", "size": "1", "wanted": list(needs)}
    strategies = [strategy("trend", BTC, ETH), *([own] if needs else [])]
    return job_of([BTC, ETH], strategies)


@pytest.fixture(scope="module")
def tapes(tmp_path_factory):
    return write_tape(tmp_path_factory.mktemp("tapes"), ALL)


@pytest.fixture(scope="module")
def unbroken(tapes, tmp_path_factory):
    folder = tmp_path_factory.mktemp("unbroken")
    run_on(folder, tapes, job())
    return folder


@pytest.mark.parametrize("workers", [1, 2])
def test_a_run_that_was_stopped_goes_on_to_the_same_bars(
    tapes, unbroken, tmp_path, monkeypatch, workers
):
    for records in (210, 480):
        with stop_at(records, monkeypatch):
            assert "stopped" in run_on(tmp_path, tapes, job())
    run_on(tmp_path, tapes, job(), workers=workers)
    found = facts(tmp_path, "other_bars")
    assert found == facts(unbroken, "other_bars") and len(found) > 100


def test_instruments_that_are_added_change_no_bar_of_the_others(
    tapes, unbroken, tmp_path, monkeypatch
):
    with stop_at(350, monkeypatch):
        run_on(tmp_path, tapes, job())
    run_on(tmp_path, tapes, job((ADA, BTC, ETH, ZEC)))
    where = f"instrument IN ('{BTC}', '{ETH}')"
    assert facts(tmp_path, "other_bars", where) == facts(unbroken, "other_bars", where)
    first = facts(tmp_path, "(SELECT * FROM other_bars WHERE kind = '1m')", f"instrument = '{ADA}'")
    assert first and not first[0][-10], "the minute in which it was added is not complete"


def test_other_kinds_to_store_are_refused_under_a_state(tapes, tmp_path, monkeypatch):
    with stop_at(200, monkeypatch):
        run_on(tmp_path, tapes, job())
    fewer = job(bars={"width": "1s", "lateness": "0ms", "more": KINDS[:2]})
    with pytest.raises(TapeflowError, match=r"bars\.more"):
        run_on(tmp_path, tapes, fewer)


WHOLE = "kind = '5s' AND complete"


@pytest.mark.parametrize("between", [("bars@10s",), ()], ids=["another kind", "none"])
def test_a_kind_that_is_not_needed_for_a_time_begins_anew(tapes, tmp_path, monkeypatch, between):
    run_on(tmp_path / "whole", tapes, needy("bars@5s"))
    changing = tmp_path / "changing"
    with stop_at(200, monkeypatch):
        run_on(changing, tapes, needy("bars@5s"))
    with stop_at(425, monkeypatch):
        run_on(changing, tapes, needy(*between))
    run_on(changing, tapes, needy("bars@5s"))
    expected, found = (facts(each, "other_bars", WHOLE) for each in (tmp_path / "whole", changing))
    assert set(found) < set(expected)
    assert found[0] == expected[0] and found[-1] == expected[-1]
    assert 3 <= len(expected) - len(found) < len(expected) / 2
