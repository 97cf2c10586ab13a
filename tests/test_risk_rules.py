"""Risk checks of venue rules, market, own orders, churn, losses and approval.

Each at its limit, a step beyond, with an input missing, and of what only reduces.
"""

import math
from decimal import Decimal as D
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tapeflow.operators.desk.risk import (
    approval,
    churn,
    crossing,
    data,
    diversification,
    loss,
    venue_rules,
)
from tapeflow.operators.desk.risk.check import Check
from tapeflow.operators.desk.risk.run import CHECKS
from tapeflow.schemas.limits import ScopeLimits
from tapeflow.schemas.orders import Terms
from tapeflow.schemas.risk import RISK, Proposal, ScopeView
from tapeflow.schemas.sides import BUY, SELL
from tests.frames import S
from tests.test_risk_checks import HELD, NOW, PERP, limit, proposal, view

ROW = replace(PERP, tick=D("0.1"), lot=D("0.5"), min_size=D(1), max_size=D(8), min_notional=D(150))
INVERSE = replace(ROW, contract="inverse", multiplier=D(100))


def of_row(row=ROW, **more):
    return proposal(row=row, **more)


TABLE: dict[str, tuple[Check, Proposal, Proposal]] = {
    "tick of a limit": (
        venue_rules.Tick(), of_row(terms=limit("100.1")), of_row(terms=limit("100.15")),
    ),
    "tick of a trigger": (
        venue_rules.Tick(),
        of_row(terms=Terms(type="stop_limit", limit=D(100), trigger=D("100.1"))),
        of_row(terms=Terms(type="stop_limit", limit=D(100), trigger=D("100.11"))),
    ),
    "tick of an activation": (
        venue_rules.Tick(),
        of_row(terms=Terms(type="trailing", trail=D(1), activate=D("100.1"))),
        of_row(terms=Terms(type="trailing", trail=D(1), activate=D("100.11"))),
    ),
    "tick of a limit before a trigger that fits": (
        venue_rules.Tick(),
        of_row(terms=Terms(type="stop_limit", limit=D(100), trigger=D(100))),
        of_row(terms=Terms(type="stop_limit", limit=D("100.11"), trigger=D(100))),
    ),
    "lot": (venue_rules.Lot(), of_row(want="1.5"), of_row(want="1.6")),
    "least size": (venue_rules.SizeMin(), of_row(want=1), of_row(want="0.5")),
    "largest size of the venue": (venue_rules.VenueSizeMax(), of_row(want=8), of_row(want="8.5")),
    "least notional at the limit": (
        venue_rules.NotionalMin(), of_row(terms=limit(150)), of_row(terms=limit("149.9")),
    ),
    "least notional at the touch of a buy": (
        venue_rules.NotionalMin(), of_row(ask=150.0, bid=1.0), of_row(ask=149.9, bid=200.0),
    ),
    "least notional at the touch of a sale": (
        venue_rules.NotionalMin(),
        of_row(side=SELL, bid=150.0, ask=200.0),
        of_row(side=SELL, bid=149.9, ask=200.0),
    ),
    "least notional at the mark": (
        venue_rules.NotionalMin(),
        of_row(ask=None, mark=150.0),
        of_row(ask=None, mark=149.9),
    ),
    "least notional of contracts": (
        venue_rules.NotionalMin(), of_row(INVERSE, want="1.5"), of_row(INVERSE, want="1"),
    ),
    "crossed market": (
        data.Crossed(),
        proposal(view(refuse_crossed=True), bid=100.9),
        proposal(view(refuse_crossed=True), bid=101.0),
    ),
    "clock ahead": (
        data.Clock(),
        proposal(view(clock_offset_ns=S), clock_offset_ns=S),
        proposal(view(clock_offset_ns=S), clock_offset_ns=S + 1),
    ),
    "clock behind": (
        data.Clock(),
        proposal(view(clock_offset_ns=S), clock_offset_ns=-S),
        proposal(view(clock_offset_ns=S), clock_offset_ns=-S - 1),
    ),
    "own sale": (
        crossing.SelfTrade(),
        proposal(view(refuse_self_trade=True), terms=limit("99.9"), own_ask=D(100)),
        proposal(view(refuse_self_trade=True), terms=limit(100), own_ask=D(100)),
    ),
    "own buy": (
        crossing.SelfTrade(),
        proposal(view(refuse_self_trade=True), terms=limit("100.1"), own_bid=D(100), side=SELL),
        proposal(view(refuse_self_trade=True), terms=limit(100), own_bid=D(100), side=SELL),
    ),
    "own sale at the touch": (
        crossing.SelfTrade(),
        proposal(view(refuse_self_trade=True), own_ask=D("101.1")),
        proposal(view(refuse_self_trade=True), own_ask=D(101)),
    ),
    "own buy at the touch": (
        crossing.SelfTrade(),
        proposal(view(refuse_self_trade=True), own_bid=D("98.9"), side=SELL),
        proposal(view(refuse_self_trade=True), own_bid=D(99), side=SELL),
    ),
    "own sale at the mark": (
        crossing.SelfTrade(),
        proposal(view(refuse_self_trade=True), own_ask=D("100.1"), ask=None),
        proposal(view(refuse_self_trade=True), own_ask=D(100), ask=None),
    ),
    "four eyes": (
        approval.FourEyes(),
        proposal(view(approval_above=D(300)), want=3),
        proposal(view(approval_above=D(300)), want="3.5"),
    ),
    "loss of the day": (
        loss.DailyLoss(),
        proposal(view(day_equity=1000.0, equity=500.0, daily_loss=D(500))),
        proposal(view(day_equity=1000.0, equity=499.99, daily_loss=D(500))),
    ),
    "drawdown": (
        loss.Drawdown(),
        proposal(view(peak=1000.0, equity=750.0, drawdown=0.25)),
        proposal(view(peak=1000.0, equity=749.99, drawdown=0.25)),
    ),
    "losses in a row": (
        loss.Losses(),
        proposal(view(losses=3, losses_max=3)),
        proposal(view(losses=4, losses_max=3)),
    ),
    "cancels": (
        churn.CancelRate(),
        proposal(view(cancels=1, cancels_max=2)),
        proposal(view(cancels=2, cancels_max=2)),
    ),
    "time at rest": (
        churn.MinRest(),
        proposal(view(rest_min_ns=S), placed_ns=NOW - S),
        proposal(view(rest_min_ns=S), placed_ns=NOW - S + 1),
    ),
    "orders for each fill": (
        churn.OrderToTrade(),
        proposal(view(day_orders=19, day_fills=2, order_to_trade_max=10.0)),
        proposal(view(day_orders=20, day_fills=2, order_to_trade_max=10.0)),
    ),
    "orders before a fill": (
        churn.OrderToTrade(),
        proposal(view(day_orders=9, day_fills=0, order_to_trade_max=10.0)),
        proposal(view(day_orders=10, day_fills=0, order_to_trade_max=10.0)),
    ),
    "executions": (
        churn.Repeats(),
        proposal(view(repeats=9, repeats_max=10)),
        proposal(view(repeats=10, repeats_max=10)),
    ),
    "correlated exposure": (
        diversification.Correlated(),
        proposal(view(correlated_after=500.0, correlated_max=D(500))),
        proposal(view(correlated_after=500.01, correlated_max=D(500))),
    ),
}  # fmt: skip
MISSING: dict[str, tuple[Check, Proposal, str]] = {
    "price of the least notional": (
        venue_rules.NotionalMin(),
        of_row(ask=None, bid=None, mark=None),
        "MARK_UNKNOWN",
    ),
    "bid": (data.Crossed(), proposal(view(refuse_crossed=True), bid=None), "TOUCH_UNKNOWN"),
    "ask": (data.Crossed(), proposal(view(refuse_crossed=True), ask=None), "TOUCH_UNKNOWN"),
    "clock": (data.Clock(), proposal(view(clock_offset_ns=S)), "CLOCK_UNKNOWN"),
    "notional": (
        approval.FourEyes(),
        proposal(view(approval_above=D(1)), notional=None),
        "MARK_UNKNOWN",
    ),
    "equity of the day": (
        loss.DailyLoss(),
        proposal(view(equity=9.0, daily_loss=D(9))),
        "EQUITY_UNKNOWN",
    ),
    "equity": (
        loss.DailyLoss(), proposal(view(day_equity=9.0, daily_loss=D(9))), "EQUITY_UNKNOWN",
    ),
    "equity that is no number": (
        loss.DailyLoss(),
        proposal(view(day_equity=9.0, equity=math.nan, daily_loss=D(9))),
        "EQUITY_UNKNOWN",
    ),
    "peak": (loss.Drawdown(), proposal(view(equity=9.0, drawdown=0.5)), "EQUITY_UNKNOWN"),
    "peak of nothing": (
        loss.Drawdown(), proposal(view(equity=9.0, peak=0.0, drawdown=0.5)), "EQUITY_UNKNOWN",
    ),
    "losses": (loss.Losses(), proposal(view(losses_max=9)), "LOSSES_UNKNOWN"),
    "orders of the day": (
        churn.OrderToTrade(), proposal(view(day_fills=1, order_to_trade_max=9.0)), "COUNT_UNKNOWN",
    ),
    "fills of the day": (
        churn.OrderToTrade(), proposal(view(day_orders=1, order_to_trade_max=9.0)), "COUNT_UNKNOWN",
    ),
    "count of executions": (churn.Repeats(), proposal(view(repeats_max=9)), "COUNT_UNKNOWN"),
    "correlated exposure": (
        diversification.Correlated(), proposal(view(correlated_max=D(9))), "MARK_UNKNOWN",
    ),
}  # fmt: skip
OF_EVERY_ORDER = (  # also of those that reduce
    venue_rules.Tick, venue_rules.Lot, venue_rules.VenueSizeMax, crossing.SelfTrade,
    churn.CancelRate, churn.MinRest,
)  # fmt: skip


@pytest.mark.parametrize("name", TABLE)
def test_a_value_at_the_limit_passes_and_a_step_beyond_is_refused(name):
    check, at_limit, beyond = TABLE[name]
    assert check.check(at_limit).passed
    found = check.check(beyond)
    assert (found.passed, found.code) == (False, check.code)


@pytest.mark.parametrize("name", MISSING)
def test_what_cannot_be_known_is_refused_unless_the_order_only_reduces(name):
    check, order, code = MISSING[name]
    found = check.check(order)
    assert (found.passed, found.code, code) == (False, code, found.code)
    assert check.check(reducing(order)).passed


def reducing(order):
    """Return the same order where it closes a part of a position."""
    return replace(order, position=-order.side * (order.size + 1))


@pytest.mark.parametrize("name", TABLE)
def test_what_only_reduces_passes_all_but_steps_the_largest_size_and_own_orders(name):
    check, _, beyond = TABLE[name]
    order = reducing(beyond)
    assert order.only_reduces
    assert check.check(order).passed == (not isinstance(check, OF_EVERY_ORDER))


@pytest.mark.parametrize("name", TABLE)
def test_a_check_that_nobody_declares_is_not_made(name):
    check, _, beyond = TABLE[name]
    if isinstance(check, venue_rules.Lot | venue_rules.Tick):
        return  # every instrument has steps
    bare = replace(beyond, scopes=(view(),), instrument=PERP)
    assert check.check(bare) is None


def test_an_order_without_a_price_has_no_tick():
    assert venue_rules.Tick().check(of_row()) is None


def test_a_refused_own_trade_says_both_prices_and_one_without_any_is_not_known():
    scope = view(refuse_self_trade=True)
    found = crossing.SelfTrade().check(proposal(scope, terms=limit(100), own_ask=D(99)))
    assert (found.observed, found.limit) == (D(100), D(99))
    unknown = {"ask": None, "bid": None, "mark": None}
    found = crossing.SelfTrade().check(proposal(scope, own_ask=D(99), **unknown))
    assert (found.passed, found.code) == (False, "MARK_UNKNOWN")
    assert crossing.SelfTrade().check(proposal(scope, **unknown)).passed  # nothing of ours rests


@pytest.mark.parametrize(
    "terms",
    [limit(200, post_only=True), Terms(type="stop", trigger=D(200))],
)
def test_what_takes_nothing_now_meets_no_own_order(terms):
    order = proposal(view(refuse_self_trade=True), terms=terms, own_ask=D(100))
    assert crossing.SelfTrade().check(order) is None


def test_own_orders_of_the_same_side_do_not_meet():
    order = proposal(view(refuse_self_trade=True), terms=limit(100), own_bid=D(100))
    assert crossing.SelfTrade().check(order).passed


def test_corrective_orders_cancel_at_once_and_pass_own_orders():
    for name in ("own sale", "cancels", "time at rest"):
        check, _, beyond = TABLE[name]
        found = check.check(replace(beyond, strategy=RISK))
        assert found is None or found.passed


def test_an_order_that_a_second_person_approved_passes_four_eyes():
    check, _, beyond = TABLE["four eyes"]
    assert check.check(replace(beyond, approved_by="bob")).passed
    assert check.check(replace(beyond, approved_by="bob", notional=None)).passed


# --- all of them ----------------------------------------------------------------------------------

LIMITS = ScopeLimits(
    "portfolio", correlated_max=D(0), approval_above=D(0), refuse_crossed=True, clock_offset_ns=0,
    order_to_trade_max=0.001, repeats_max=0, daily_loss=D(0), drawdown=0.001, losses_max=0,
    position_max=D(10**6), gross_max=D(10**9), net_max=D(10**9), leverage_max=100.0,
    concentration_max=1.0, effective_min=1.0, notional_max=D(10**9), trade_age_ns=S,
    quote_age_ns=S,
)  # fmt: skip
NUMBERS = st.sampled_from([None, 0.0, 1.0, 1e9, math.nan])
COUNTS = st.sampled_from([None, 0, 10**6])


@given(st.integers(1, 4), st.booleans(), NUMBERS, NUMBERS, COUNTS, st.booleans())
def test_what_only_reduces_is_refused_by_no_limit_and_by_nothing_unknown(
    want, is_short, equity, number, count, unknown
):
    sums = {"gross": number, "net": number, "correlated_after": number}
    sums = {name: math.nan if each is None else each for name, each in sums.items()}
    scope = replace(
        view(equity=equity, peak=number, day_equity=number, **sums),
        limits=LIMITS, losses=count, repeats=count, day_orders=count, day_fills=count,
    )  # fmt: skip
    side, held = (BUY, -9) if is_short else (SELL, 9)
    names = ("mark", "notional", "bid", "ask", "trade_ns", "quote_ns")
    missing = dict.fromkeys(names) if unknown else {"bid": 102.0}
    row = replace(PERP, lot=D(1), min_size=D(100), min_notional=D(10**9))
    order = proposal(scope, side=side, want=want, held=held, row=row, **missing)
    assert order.only_reduces
    found = [each for check in CHECKS if (each := check.check(order)) is not None]
    assert len(found) > 14
    assert [each.code for each in found if not each.passed] == []


UNKNOWNS: dict[
    str, tuple[dict[str, Any], dict[str, Any], str]
] = {  # an input, and the check that needs it
    "mark, bid and ask": ({"mark": None, "bid": None, "ask": None}, {}, "MARK_UNKNOWN"),
    "quote": ({"bid": None}, {}, "TOUCH_UNKNOWN"),
    "clock": ({"clock_offset_ns": None}, {}, "CLOCK_UNKNOWN"),
    "notional": ({"notional": None}, {}, "MARK_UNKNOWN"),
    "trade": ({"trade_ns": None}, {}, "STALE_TRADE"),
    "gross": ({}, {"gross_after": math.nan}, "MARK_UNKNOWN"),
    "net": ({}, {"net_after": math.nan}, "MARK_UNKNOWN"),
    "correlated": ({}, {"correlated_after": math.nan}, "MARK_UNKNOWN"),
    "equity": ({}, {"equity": None}, "EQUITY_UNKNOWN"),
    "peak": ({}, {"peak": None}, "EQUITY_UNKNOWN"),
    "equity of the day": ({}, {"day_equity": None}, "EQUITY_UNKNOWN"),
    "losses": ({}, {"losses": None}, "LOSSES_UNKNOWN"),
    "orders": ({}, {"day_orders": None}, "COUNT_UNKNOWN"),
    "executions": ({}, {"repeats": None}, "COUNT_UNKNOWN"),
}
EASY = replace(
    LIMITS, correlated_max=D(10**9), approval_above=D(10**9), clock_offset_ns=S,
    order_to_trade_max=10.0, repeats_max=9, daily_loss=D(9), drawdown=0.5, losses_max=9,
)  # fmt: skip


@given(st.sets(st.sampled_from(sorted(UNKNOWNS))), st.integers(1, 9), st.sampled_from([BUY, SELL]))
def test_an_order_that_opens_passes_only_where_all_is_known(unknown, want, side):
    known: dict[str, Any] = {
        "gross_after": 1e3,
        "net_after": 1e3,
        "correlated_after": 1e3,
        "equity": 1e6,
    }
    known |= {"peak": 1e6, "day_equity": 1e6, "share_after": 0.5, "effective_after": 2.0}
    known |= {"losses": 0, "day_orders": 0, "day_fills": 0, "repeats": 0}
    market: dict[str, Any] = {"clock_offset_ns": 0}
    for name in unknown:
        market |= UNKNOWNS[name][0]
        known |= UNKNOWNS[name][1]
    scope = ScopeView(EASY, D(0), D(0), D(0), **known)
    row = replace(PERP, lot=D(1), min_notional=D(1))
    order = proposal(scope, side=side, want=want, row=row, **market)
    found = [each for check in CHECKS if (each := check.check(order)) is not None]
    refused = {each.code for each in found if not each.passed}
    assert {UNKNOWNS[name][2] for name in unknown} <= refused
    assert bool(refused) == bool(unknown)


def test_held_orders_of_the_tables_only_reduce():
    assert proposal(**HELD).only_reduces
