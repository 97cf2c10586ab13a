"""What a summary says of risk at the end: what is stopped, what is not closed, and how it ends."""

from decimal import Decimal as D

import duckdb
from msgspec.structs import replace

from tapeflow.flows.cli.summary.figures import summarise
from tapeflow.flows.cli.summary.risk_hints import find_stopped
from tapeflow.flows.cli.summary.text import format_summary
from tapeflow.operators.desk.fees import BASE, FeeTable, FeeTier, VenueFees
from tapeflow.operators.desk.risk.states import change_state
from tapeflow.schemas.states import Cause, StateChange
from tests.control_log import JOB, command, job_with, write_log
from tests.desk_stories import buy, desk, only
from tests.running import replay
from tests.test_trading_states import rows_of, run

CAUSE = Cause("rule", "TEST")
HALT = "account:main is HALTED by alice since 2025-01-01 12:00:10: "


def summary_of(tmp_path, *commands, more=""):
    """Return the lines of a summary of a log with commands."""
    results = tmp_path / "r.duckdb"
    replay(write_log(tmp_path, *commands), results, job_with(tmp_path, JOB + more))
    return format_summary(summarise(results)).splitlines()


def test_a_scope_that_is_halted_at_the_end_is_named_with_the_command_that_ends_it(tmp_path):
    lines = summary_of(tmp_path, command(10))
    (line,) = [each for each in lines if "HALTED" in each]
    assert line.startswith(f"hint: {HALT}")
    assert "`tapeflow control resume --scope account:main`" in line


def test_where_nobody_has_a_key_only_a_fresh_state_ends_it():
    job = {"control": {"keys": {}}}
    with duckdb.connect() as con:
        con.execute(
            "CREATE TABLE states AS SELECT 1 AS seq, 'portfolio' AS scope, 'CHANGED' AS event, "
            "'HALTED' AS state, 'rule' AS cause, 'DRAWDOWN' AS rule, '' AS by, now() AS time"
        )
        (line,) = find_stopped(con, job)
    assert line.endswith("[control] of the job lists no keys, so only a fresh --state ends it")


def test_one_that_was_resumed_is_not_named(tmp_path):
    lines = summary_of(tmp_path, command(10), command(12, "resume"))
    assert not [each for each in lines if "HALTED" in each or "resume" in each]


def test_a_silent_feed_is_named_without_a_command(tmp_path):
    more = """
[limits.portfolio]
feed_age = "1500ms"
[instruments."ETH-USDT.BINANCE"]
tick = "0.01"
lot = "0.1"
"""
    lines = summary_of(tmp_path, more=more)
    (line,) = [each for each in lines if "REDUCING" in each]
    assert "instrument:ETH-USDT.BINANCE is REDUCING by STALE_FEED" in line
    assert "resume" not in line


def test_what_was_not_closed_when_the_log_ended_is_named(tmp_path):
    lines = summary_of(tmp_path, command(59.9, "flatten"))
    (line,) = [each for each in lines if "being closed" in each]
    assert line.startswith("hint: account:main was being closed for ")
    assert line.endswith("the log ended before its orders were filled")


def test_what_is_below_a_lot_is_named_where_a_scope_is_flat():
    base = desk()
    fees = FeeTable(VenueFees((FeeTier(D(0), D("0.1"), D("0.1")),), BASE), {})
    kill = (4, lambda state, rules: change_state(state, rules, "portfolio", "KILLED", CAUSE))
    money = replace(base.money, fees=fees)
    facts, _ = run(rows_of(12), [buy("a", at=0, size=2)], kill, money=money)
    (flat,) = [each for each in only(StateChange, facts) if each.event == "FLAT"]
    assert flat.detail == "below a lot: 0.3 BTC-USDT.BINANCE of a"  # 2 less 0.2, less 1.5
