"""Strategies are called when docs/strategies.md says, with what it says, and see nothing later."""

import os
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tapeflow.schemas.accounts import Equity
from tests import frames
from tests.laws import run
from tests.plain_flow import IDS
from tests.strategies.witness import Witness
from tests.strategy_calls import Checker, check_events, records_of
from tests.strategy_desks import BASE, decided_of, declare_row, desk_of, received_by

MARKETS = int(os.environ.get("TAPEFLOW_MARKETS", "40"))  # random logs of each test
pytestmark = pytest.mark.filterwarnings("ignore:Generating overly large repr")  # of a log
CAPITAL = Decimal(1000)
scripts = st.lists(st.binary(min_size=30, max_size=200), min_size=2, max_size=2)


def desk_with(first, second):
    """Return a desk with capital that calls two witnesses; with its rows by name."""
    accounts = {name: replace(each, capital=CAPITAL) for name, each in BASE.accounts.items()}
    reads = ("bars:3@1s", "bars:2@3s", "bars:4@2s", "score", "sma:2", "ema:2@2s")
    rows = (
        declare_row("a", Witness(script=first, watched=IDS, reads=reads), account="main"),
        declare_row(
            "b", Witness(script=second, watched=IDS[:2], reads=("bars:1@2s",)),
            instruments=IDS[1:4], size="2.5",
        ),
    )  # fmt: skip
    return desk_of(*rows, accounts=accounts, order_events=True), rows


@settings(max_examples=MARKETS, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(frames.logs(), frames.page_sizes(1), scripts)
def test_calls_come_in_their_order_with_what_is_known_at_their_place(log, page_sizes, drawn):
    desk, rows = desk_with(*drawn)
    decided = decided_of(log, page_sizes, rows)
    state, facts = run(desk, received_by(desk, decided))
    records = records_of(decided)
    for row in rows:
        calls = state.strategies.running[row.name].state.calls
        Checker(row, kinds_of(row.strategy), records).check_all(calls)
        check_events(calls, facts, row.name)
        check_equity(calls, facts, row.account)


def kinds_of(witness):
    """Return the kinds of bars that a witness reads; the job's own is "" in a batch."""
    kinds = {each.partition("@")[2] for each in witness.reads if each.startswith("bars:")}
    return {"" if each == "1s" else each for each in kinds}


def check_equity(calls, facts, account):
    """Assert that equity at a timer is capital and profit, where a sample is of the same time."""
    samples = [each for each in facts if type(each) is Equity and each.account == account]
    for call in calls:
        there = [each for each in samples if each.time_ns == call.place[0]]
        if call.handler == "on_timer" and call.place[2] == -1 and there:
            assert call.equity == CAPITAL + sum(each.equity for each in there)
