"""A job that changes under a state: instruments, accounts and strategies are added and removed.

state of BTC, ETH ──ADA, ZEC are added──▶ BTC, ETH as if nothing had been added
                                          ADA, ZEC as in a run that begins there
"""

from datetime import datetime, timedelta

import pytest
from bytewax._bytewax import run_main
from bytewax.recovery import RecoveryConfig, init_db_dir

from tapeflow.connectors.source.progress import Progress
from tapeflow.connectors.source.source import STOP_REQUESTED
from tapeflow.flows import trade
from tapeflow.flows.run.plan import BY_ENGINE, Plan
from tapeflow.flows.run.tape_files import find_tapes
from tapeflow.schemas.errors import TapeflowError
from tests.growing import (
    ADA,
    BTC,
    ETH,
    OLD,
    PERP,
    SOL,
    ZEC,
    facts,
    job_of,
    killed_on,
    records_of,
    records_until,
    run_on,
    stop_at,
    strategy,
    write_tape,
)
from tests.running import silent

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
NEW_WITHOUT_TRADES = job_of(
    [ADA, BTC, ETH, ZEC], [strategy("trend", BTC, ETH)], accounts=("main", "second")
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


def test_a_bar_that_began_before_its_instrument_was_listed_is_not_complete(tmp_path, monkeypatch):
    """The log of the state is not that of the instrument."""
    tapes = write_tape(tmp_path / "tapes", ALL)
    with stop_at(CUT + 5, monkeypatch):  # in the middle of a second
        run_on(tmp_path, tapes, job_of([BTC], source={"page_records": 1}))
    run_on(tmp_path, tapes, job_of([ADA, BTC], source={"page_records": 1}))
    whole = tmp_path / "whole"
    run_on(whole, tapes, job_of([ADA, BTC]))
    where = f"instrument = '{ADA}'"
    found = facts(tmp_path, "bars", where)
    assert facts(tmp_path, "bars", f"{where} AND complete") == found[1:-1], (
        "the log ends in the last"
    )
    assert found[1:] == facts(whole, "bars", where)[-len(found) + 1 :]
    assert len(found) > 10


def test_a_state_changes_many_times_and_flat_instruments_and_accounts_may_go(
    tmp_path, tapes, unbroken, monkeypatch
):
    observed = job_of([ADA, BTC, ETH], [strategy("trend", BTC, ETH)], accounts=("main", "idle"))
    jobs = [OLD, observed, NEW_WITHOUT_TRADES, OLD, observed]
    for number, job in enumerate(jobs, 1):
        with stop_at(100 * number, monkeypatch):
            lines = run_on(tmp_path, tapes, job)
            assert lines[-1] == "stopped"
    assert f"under this state instruments: {ADA} added: " in " ".join(lines)
    lines = run_on(tmp_path, tapes, OLD)
    assert [
        line for line in lines if line.startswith(f"under this state instruments: {ADA} removed")
    ]
    assert [line for line in lines if line.startswith("under this state accounts: idle removed")]
    assert old_facts(tmp_path) == old_facts(unbroken)
    seen = [row[0] for row in facts(tmp_path, "instruments")]
    assert seen == [ADA, BTC, ETH, ZEC], "facts of them are there"
    counted = facts(tmp_path, "data_quality_minutes", f"instrument = '{ADA}'")
    assert counted, "also in the minute in which it was removed"


def page_job(job):
    """Return the job with pages of one record: a run of it stops where it is told to."""
    return job.model_copy(update={"source": job.source.model_copy(update={"page_records": 1})})


def test_what_holds_a_position_cannot_be_removed_and_the_state_stays_as_it_was(
    tmp_path, tapes, monkeypatch
):
    """Not the strategy, not the account, not the instrument: nothing would close it."""
    whole = tmp_path / "whole"
    run_on(whole, tapes, NEW)
    entered = facts(whole, "positions", "account = 'second' AND quantity <> 0")[3]
    at = next(each for each in entered if isinstance(each, datetime))
    with stop_at(records_until(at) + 2, monkeypatch):
        run_on(tmp_path, tapes, page_job(NEW))
    held = "strategy late of account second holds "
    moved = job_of([ADA, BTC, ETH, ZEC], [strategy("trend", BTC, ETH), strategy("late", ADA, ZEC)])
    for job in (NEW_WITHOUT_TRADES, moved, OLD):
        with pytest.raises(TapeflowError, match=held) as raised:
            run_on(tmp_path, tapes, job)
        assert "\n" not in str(raised.value)
        assert "which the job no longer has it trade" in str(raised.value)
    lines = run_on(tmp_path, tapes, NEW)
    assert not [line for line in lines if "under this state" in line]
    assert new_facts(tmp_path) == new_facts(whole)
    assert old_facts(tmp_path) == old_facts(whole)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_kill_around_the_change_changes_nothing(tmp_path, tapes, unbroken, monkeypatch, workers):
    with stop_at(CUT, monkeypatch):
        run_on(tmp_path, tapes, OLD, workers=workers)
    for after_s in (0.0, 0.3, 1.5):
        killed_on(tmp_path, tapes, NEW, after_s, workers=workers, speed=20.0)
    run_on(tmp_path, tapes, NEW, workers=workers)
    assert old_facts(tmp_path) == old_facts(unbroken)
    there = tmp_path / "there"
    run_on(there, write_tape(there / "tapes", ALL[CUT:]), NEW)
    assert new_facts(tmp_path) == new_facts(there)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_venue_that_is_new_is_read_from_its_beginning_and_traded_from_where_the_state_is(
    tmp_path, unbroken, monkeypatch, workers
):
    tapes = write_tape(tmp_path / "tapes", ALL)
    with stop_at(CUT, monkeypatch):
        run_on(tmp_path, tapes, OLD, workers=workers)
    write_tape(tapes, records_of(["SOL"], RECORDS, partition="coinbase-0"), "coinbase-0")
    write_tape(tapes, records_of(["BTC"], RECORDS, partition="binance-usdm-0"), "binance-usdm-0")
    strategies = [strategy("trend", BTC, ETH), strategy("sun", SOL, account="second")]
    job = job_of([BTC, ETH, SOL, PERP], strategies, accounts=("main", "second"))
    lines = run_on(tmp_path, tapes, job, workers=workers)
    assert any("partition coinbase-0 is new to this state" in line for line in lines)
    assert any(f"instruments: {PERP}, {SOL} added" in line for line in lines)
    assert old_facts(tmp_path) == old_facts(unbroken)
    whole = tmp_path / "whole"
    run_on(whole, tapes, job)
    where = f"instrument = '{SOL}'"
    for table in ("bars", "signals"):
        assert facts(tmp_path, table, where) == facts(whole, table, where)
    past = facts(tmp_path, "decisions", f"{where} AND reason = 'PAST'")
    others = facts(tmp_path, "decisions", f"{where} AND reason = ''")
    times = [
        next(each for each in row if isinstance(each, datetime)) for row in (past[-1], others[0])
    ]
    assert records_until(times[0]) <= CUT <= records_until(times[1])
    assert len(past) + len(others) == len(facts(tmp_path, "signals", where))
    assert len(facts(tmp_path, "fills", where)) > 10


def run_by_engine(folder, tapes, job):
    """Run a job on the engine's own store, as `python -m bytewax.run` does: without a manifest."""
    STOP_REQUESTED.clear()
    store = folder / "engine"
    if not store.exists():
        store.mkdir(parents=True)
        init_db_dir(store, 1)
    plan = Plan(
        command=BY_ENGINE, log=find_tapes([tapes], job), job=job, results=folder / "r.duckdb"
    )
    flow = trade.dataflow(plan, Progress(tuple(plan.log), job.source.max_lead), silent)
    run_main(
        flow, epoch_interval=timedelta(milliseconds=100), recovery_config=RecoveryConfig(store)
    )


def test_a_job_changes_under_the_engines_own_command_too(
    tmp_path, tapes, unbroken, begun_there, monkeypatch
):
    with stop_at(CUT, monkeypatch):
        run_by_engine(tmp_path, tapes, OLD)
    assert not (tmp_path / "r.duckdb").exists(), "it has not come to its end"
    run_by_engine(tmp_path, tapes, NEW)
    assert old_facts(tmp_path) == old_facts(unbroken)
    assert new_facts(tmp_path) == new_facts(begun_there)
    with pytest.raises(TapeflowError, match="which the job no longer has it trade"):
        run_by_engine(tmp_path, tapes, job_of([ADA]))
