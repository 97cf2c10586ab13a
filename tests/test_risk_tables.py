"""Every risk check stands in its place, and has rows: at its limit, beyond, unknown, reducing."""

from decimal import Decimal as D
from typing import Any

import pytest
from msgspec.structs import replace

from tapeflow.operators.desk.risk import (
    churn,
    crossing,
    diversification,
    price,
    repetition,
    trading,
)
from tapeflow.operators.desk.risk.check import Check, is_within
from tapeflow.operators.desk.risk.churn import CANCEL_CHECKS
from tapeflow.operators.desk.risk.run import CHECKS, OF_SLICED
from tapeflow.schemas.limits import Hours
from tapeflow.schemas.orders import Terms
from tapeflow.schemas.sides import BUY, SELL
from tests import test_risk_checks, test_risk_rules
from tests.frames import S
from tests.test_risk_checks import MONDAY, NOW, proposal, view

IN_ORDER = [
    "STATE",
    "LOCKED",
    "RESTRICTED",
    "HOURS",
    "TICK",
    "LOT",
    "SIZE_MIN",
    "SIZE_MAX",
    "NOTIONAL_MIN",
    "STALE_TRADE",
    "STALE_QUOTE",
    "CROSSED",
    "CLOCK",
    "COLLAR",
    "TOUCH",
    "SELF_TRADE",
    "FLIP",
    "SIZE_MAX",
    "NOTIONAL_MAX",
    "POSITION_LIMIT",
    "GROSS_LIMIT",
    "NET_LIMIT",
    "LEVERAGE_LIMIT",
    "CONCENTRATION",
    "VENUE_SHARE",
    "GROUP_SHARE",
    "EFFECTIVE_NUMBER",
    "CORRELATED",
    "DUPLICATE",
    "OPEN_ORDERS",
    "RATE_LIMIT",
    "ORDER_TO_TRADE",
    "REPEATS",
    "DAILY_LOSS",
    "DRAWDOWN",
    "LOSSES",
    "FOUR_EYES",
    "SPOT_SHORT",
]
MINUTE = 60 * S

OPEN = proposal()
CLOSE = proposal(side=SELL, held=5, want=5)
TURN = proposal(side=SELL, held=5, want="5.5")
BEHIND = proposal(side=SELL, held=5, sells=1, want=5)  # behind a sale that is open
CLIPPED = proposal(side=SELL, held=5, want=9, terms=Terms(reduce_only=True))
#   state: which of these pass; corrective orders do in each
STATES = {"REDUCING": (CLOSE, CLIPPED), "HALTED": (), "KILLED": ()}
TABLES = {**test_risk_checks.TABLE, **test_risk_rules.TABLE}
ALWAYS_KNOWN = [
    "STATE",
    "LOCKED",
    "RESTRICTED",
    "HOURS",
    "TICK",
    "LOT",
    "SIZE_MIN",
    "SIZE_MAX",
    "FLIP",
    "POSITION_LIMIT",
    "DUPLICATE",
    "OPEN_ORDERS",
    "RATE_LIMIT",
    "SPOT_SHORT",
]
OF_BOTH_TOO = {  # which have a test of their own: they refuse what reduces as well
    price.Collar, price.Touch, crossing.SelfTrade,
}  # fmt: skip


def test_the_checks_are_these_in_this_order():
    assert [each.code for each in CHECKS] == IN_ORDER
    assert [each.code for each in CANCEL_CHECKS] == ["CANCEL_RATE", "MIN_REST"]
    sliced = [*IN_ORDER]
    del sliced[sliced.index("SIZE_MAX")]  # that of the venue, which sees the slices
    assert [each.code for each in OF_SLICED] == sliced


def test_every_check_has_a_row_at_its_limit_and_one_for_what_is_unknown():
    of_own = {trading.StateCheck, trading.Locked}  # below
    at_limit = {type(each[0]) for each in TABLES.values()} | of_own
    assert at_limit == {type(each) for each in (*CHECKS, *CANCEL_CHECKS)}
    unknown = {type(each[0]) for each in (*test_risk_checks.MISSING.values(), *SHARES.values())} | {
        type(each[0]) for each in test_risk_rules.MISSING.values()
    }
    asks = {type(each) for each in CHECKS if each.code not in ALWAYS_KNOWN}
    assert unknown | OF_BOTH_TOO == asks


SHARES: dict[str, tuple[Check, dict[str, Any]]] = {
    "venue": (diversification.VenueShare(), {"venue_share_max": 0.5}),
    "group": (diversification.GroupShare(), {"group_share_max": 0.5}),
}


@pytest.mark.parametrize("name", SHARES)
def test_a_share_of_an_unknown_sum_is_refused_unless_the_order_only_reduces(name):
    check, limits = SHARES[name]
    scope = view(gross=float("nan"), **limits)
    found = check.check(proposal(scope))
    assert (found.passed, found.code) == (False, "MARK_UNKNOWN")
    assert check.check(replace(CLOSE, scopes=(scope,))).passed


@pytest.mark.parametrize("name", test_risk_checks.TABLE)
def test_what_only_reduces_passes_all_but_collars_duplicates_and_sales_of_what_is_not_held(name):
    check, _, beyond = test_risk_checks.TABLE[name]
    held = -beyond.side * (beyond.size + 1)
    order = replace(beyond, position=held, buys=D(0), sells=D(0))
    assert order.only_reduces
    found = check.check(order)
    stays = isinstance(check, price.Collar | price.Touch | repetition.Duplicate)
    assert found.passed == (not stays)


@pytest.mark.parametrize("state", STATES)
def test_a_state_lets_pass_what_it_says_and_corrective_orders(state):
    for order in (OPEN, CLOSE, TURN, BEHIND, CLIPPED):
        order_in = replace(order, state=state, in_state="account:main")
        found = trading.StateCheck().check(order_in)
        assert (found.code, found.passed) == ("STATE", order in STATES[state])
        assert (found.observed, found.scope) == (state, "account:main")
        assert trading.StateCheck().check(replace(order_in, corrective=True)).passed
        assert trading.StateCheck().check(order) is None  # ACTIVE


def test_a_lock_lets_pass_what_only_reduces_and_corrective_orders():
    for order in (OPEN, CLOSE, TURN, BEHIND, CLIPPED):
        order_in = replace(order, locked="until 5")
        found = trading.Locked().check(order_in)
        assert (found.code, found.passed) == ("LOCKED", order in (CLOSE, CLIPPED))
        assert trading.Locked().check(replace(order_in, corrective=True)).passed
        assert trading.Locked().check(order) is None


@pytest.mark.parametrize(
    ("listed", "side", "passed"),
    [
        ("BUY", BUY, False), ("BUY", SELL, True), ("SELL", SELL, False), ("SELL", BUY, True),
        ("both", BUY, False), ("both", SELL, False),
    ],
)  # fmt: skip
def test_a_restricted_side_opens_nothing(listed, side, passed):
    assert trading.Restricted().check(proposal(view(restricted=listed), side=side)).passed == passed
    assert trading.Restricted().check(proposal(view(restricted=""), side=side)) is None
    for order in (CLOSE, CLIPPED):
        assert trading.Restricted().check(replace(order, scopes=(view(restricted="both"),))).passed


@pytest.mark.parametrize(
    ("minute", "passed"),
    [
        (-1, True), (0, True), (4, True), (5, False), (59, False), (60, True), (64, True),
        (65, False), (10_069, False), (10_070, True), (10_079, True), (10_080, True),
    ],
)  # fmt: skip
def test_hours_have_their_first_minute_and_not_their_end_also_over_the_end_of_a_week(
    minute, passed
):
    scope = view(hours=(Hours(10_070, 5), Hours(60, 65)))
    for time_ns in (MONDAY + minute * MINUTE, MONDAY + (minute + 1) * MINUTE - 1):
        assert (
            trading.TradingHours().check(replace(proposal(scope), time_ns=time_ns)).passed == passed
        )
        closes = replace(CLOSE, scopes=(scope,), time_ns=time_ns)
        assert trading.TradingHours().check(closes).passed


def test_a_cancel_is_refused_by_the_first_scope_that_it_breaks():
    wide, tight = view(cancels=2, cancels_max=9), view(cancels=2, cancels_max=2)
    found = churn.CancelRate().check(proposal(wide, tight, wide))
    assert (found.passed, found.observed, found.limit) == (False, 3, 2)
    long, brief = view(rest_min_ns=2 * S), view(rest_min_ns=S)
    found = churn.MinRest().check(proposal(brief, long, brief, placed_ns=NOW - S))
    assert (found.passed, found.observed, found.limit) == (False, S, 2 * S)
    assert churn.MinRest().check(proposal(long)) is None  # it is no cancel


def test_an_order_without_an_equal_one_before_is_no_duplicate_and_a_corrective_one_never():
    scope = view(repeat_ns=S)
    assert repetition.Duplicate().check(proposal(scope)).passed
    equal = proposal(scope, last_equal_ns=NOW)
    assert not repetition.Duplicate().check(equal).passed
    assert repetition.Duplicate().check(replace(equal, corrective=True)).passed


def test_what_is_no_number_is_within_no_limit():
    assert not is_within(float("nan"), 10)
    assert not is_within(float("inf"), 10)
    assert is_within(10 * (1 + 1e-13), 10)
    assert not is_within(10 * (1 + 1e-11), D(10))


@pytest.mark.parametrize(("trigger", "limit_"), [("100", "100.6"), ("100.6", "100")])
def test_a_collar_is_of_the_price_that_is_farthest_from_the_mark(trigger, limit_):
    terms = Terms(type="stop_limit", trigger=D(trigger), limit=D(limit_))
    assert not price.Collar().check(proposal(view(collar_bps=50.0), terms=terms)).passed
    assert price.Collar().check(proposal(view(collar_bps=60.0), terms=terms)).passed
