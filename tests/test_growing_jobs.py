"""A job that changes under a state: instruments, accounts and strategies are added and removed.

state of BTC, ETH ──ADA, ZEC are added──▶ BTC, ETH as if nothing had been added
                                          ADA, ZEC as in a run that begins there
"""

import pytest

from tests.growing import (
    ADA,
    BTC,
    ETH,
    OLD,
    ZEC,
    facts,
    job_of,
    records_of,
    run_on,
    stop_at,
    strategy,
    write_tape,
)

RECORDS, CUT = 800, 350
ALL = records_of(["BTC", "ADA", "ETH", "ZEC"], RECORDS)
# of accounts; without the number of the transaction, which the views leave out
OF_ACCOUNTS = ("decisions", "orders", "fills", "positions", "equity", "order_events", "commands")
OFFSETS = ("offset", "first_offset", "last_offset")
OF_MARKETS = ("bars", "signals", "late_trades", "gaps")
NEW = job_of(
    [ADA, BTC, ETH, ZEC],
    [strategy("trend", BTC, ETH), strategy("late", ADA, ZEC, account="second")],
    accounts=("main", "second"),
)


@pytest.fixture(scope="module")
def tapes(tmp_path_factory):
    return write_tape(tmp_path_factory.mktemp("tapes"), ALL)


@pytest.fixture(scope="module")
def unbroken(tapes, tmp_path_factory):
    """The whole log under the old job."""
    folder = tmp_path_factory.mktemp("unbroken")
    run_on(folder, tapes, OLD)
    return folder


@pytest.fixture(scope="module")
def begun_there(tmp_path_factory):
    """The log from the cut on under the new job."""
    folder = tmp_path_factory.mktemp("there")
    run_on(folder, write_tape(folder / "tapes", ALL[CUT:]), NEW)
    return folder


def old_facts(folder):
    """Return the facts of the old instruments and account."""
    where = f"instrument IN ('{BTC}', '{ETH}')"
    found = {table: facts(folder, table, where) for table in OF_MARKETS}
    return found | {table: facts(folder, table, "account = 'main'") for table in OF_ACCOUNTS}


def new_facts(folder):
    """Return the facts of the new instruments and account, without offsets."""
    where = f"instrument IN ('{ADA}', '{ZEC}')"
    found = {table: facts(folder, table, where, OFFSETS) for table in OF_MARKETS}
    return found | {
        table: facts(folder, table, "account = 'second'", OFFSETS) for table in OF_ACCOUNTS
    }


@pytest.mark.parametrize("workers", [1, 2])
def test_what_is_added_begins_there_and_changes_nothing_else(
    tmp_path, tapes, unbroken, begun_there, monkeypatch, workers
):
    with stop_at(CUT, monkeypatch):
        assert run_on(tmp_path, tapes, OLD, workers=workers)[-1] == "stopped"
    lines = run_on(tmp_path, tapes, NEW, workers=workers)
    for line in (
        f"instruments: {ADA}, {ZEC} added",
        "accounts: second added",
        "strategies: late added",
    ):
        assert [each for each in lines if each.startswith(f"under this state {line}: ")]
    assert old_facts(tmp_path) == old_facts(unbroken)
    assert new_facts(tmp_path) == new_facts(begun_there)
    assert len(new_facts(tmp_path)["fills"]) > 10
    assert len(old_facts(tmp_path)["fills"]) > 10
    assert [row[0] for row in facts(tmp_path, "instruments")] == [ADA, BTC, ETH, ZEC]
