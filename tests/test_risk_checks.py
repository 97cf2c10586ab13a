"""Each risk check: at its limit, a step beyond, with an input missing, and of what only reduces."""

import math
from decimal import Decimal as D
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tapeflow.operators.desk.risk import (
    data,
    diversification,
    exposure,
    position,
    price,
    rate,
    repetition,
    short,
    size,
    trading,
)
from tapeflow.operators.desk.risk.check import Check
from tapeflow.operators.desk.risk.run import CHECKS
from tapeflow.schemas.limits import Hours, ScopeLimits
from tapeflow.schemas.orders import Terms
from tapeflow.schemas.risk import Proposal, ScopeView
from tapeflow.schemas.sides import BUY, SELL
from tests.frames import S
from tests.plain_flow import INSTRUMENTS

SPOT = INSTRUMENTS.get("BTC-USDT.BINANCE")
PERP = INSTRUMENTS.get("BTC-USDT-PERP.BINANCE-USDM")
NOW = 1_000 * S
MONDAY = 4 * 24 * 3600 * S  # 1970-01-05


def view(*, units=0, buys=0, sells=0, gross=0.0, net=0.0, **more):
    """Return a scope; keys of limits are limits, the others what it holds."""
    limits = {key: each for key, each in more.items() if key in ScopeLimits.__struct_fields__}
    held = {key: each for key, each in more.items() if key not in limits}
    return ScopeView(
        ScopeLimits("account:main", **limits), D(units), D(buys), D(sells), gross, net, **held
    )


def proposal(*views, side=BUY, want=1, held=0, buys=0, sells=0, row=PERP, terms=None, **more):
    """Return an order of a market where everything is known."""
    known = {"mark": 100.0, "notional": 100.0 * float(want), "bid": 99.0, "ask": 101.0}
    times = {"trade_ns": NOW, "quote_ns": NOW}
    return Proposal(
        row, "main", "trend", side, D(want), terms or Terms(), NOW, D(held), D(buys), D(sells),
        views, **(known | times | more),
    )  # fmt: skip


def limit(price_, **more):
    return Terms(type="limit", limit=D(str(price_)), **more)


HELD = {"side": SELL, "held": 5, "want": 2}  # an order that only reduces
SHARES = {"gross": 100.0}
#   check, order that passes at the limit, order a step beyond, code of the refusal
TABLE: dict[str, tuple[Check, Proposal, Proposal]] = {
    "position": (
        position.PositionLimit(),
        proposal(view(units=2, position_max=D(3))),
        proposal(view(units=2, position_max=D(3)), want="1.5"),
    ),
    "position of the other side": (
        position.PositionLimit(),
        proposal(view(units=-2, position_max=D(3)), side=SELL),
        proposal(view(units=-2, position_max=D(3)), side=SELL, want="1.5"),
    ),
    "position with open buys": (
        position.PositionLimit(),
        proposal(view(units=1, buys=1, position_max=D(3))),
        proposal(view(units=1, buys="1.5", position_max=D(3))),
    ),
    "position, not net of open sells": (
        position.PositionLimit(),
        proposal(view(units=2, sells=4, position_max=D(3))),
        proposal(view(units=2, sells=2, position_max=D("2.5"))),
    ),
    "gross": (
        exposure.GrossLimit(),
        proposal(view(gross=1000.0, gross_max=D(1000))),
        proposal(view(gross=1000.01, gross_max=D(1000))),
    ),
    "net": (
        exposure.NetLimit(),
        proposal(view(net=1000.0, net_max=D(1000))),
        proposal(view(net=1000.01, net_max=D(1000))),
    ),
    "leverage": (
        exposure.LeverageLimit(),
        proposal(view(gross=1000.0, equity=500.0, leverage_max=2.0)),
        proposal(view(gross=1000.01, equity=500.0, leverage_max=2.0)),
    ),
    "size": (
        size.SizeMax(),
        proposal(view(size_max=D(3)), want=3),
        proposal(view(size_max=D(3)), want="3.5"),
    ),
    "notional": (
        size.NotionalMax(),
        proposal(view(notional_max=D(300)), want=3),
        proposal(view(notional_max=D(300)), want="3.5"),
    ),
    "collar above": (
        price.Collar(),
        proposal(view(collar_bps=50.0), terms=limit("100.5")),
        proposal(view(collar_bps=50.0), terms=limit("100.51")),
    ),
    "collar below": (
        price.Collar(),
        proposal(view(collar_bps=50.0), terms=limit("99.5"), side=SELL),
        proposal(view(collar_bps=50.0), terms=limit("99.49"), side=SELL),
    ),
    "collar of a trigger": (
        price.Collar(),
        proposal(view(collar_bps=50.0), terms=Terms(type="stop", trigger=D("100.5"))),
        proposal(view(collar_bps=50.0), terms=Terms(type="stop", trigger=D(101))),
    ),
    "touch of a buy": (
        price.Touch(),
        proposal(view(touch_bps=100.0), terms=limit("102.01")),
        proposal(view(touch_bps=100.0), terms=limit("102.02")),
    ),
    "touch of a sale": (
        price.Touch(),
        proposal(view(touch_bps=100.0), terms=limit("98.01"), side=SELL),
        proposal(view(touch_bps=100.0), terms=limit("98.00"), side=SELL),
    ),
    "trade age": (
        data.StaleTrade(),
        proposal(view(trade_age_ns=S), trade_ns=NOW - S),
        proposal(view(trade_age_ns=S), trade_ns=NOW - S - 1),
    ),
    "quote age": (
        data.StaleQuote(),
        proposal(view(quote_age_ns=S), quote_ns=NOW - S),
        proposal(view(quote_age_ns=S), quote_ns=NOW - S - 1),
    ),
    "restricted": (
        trading.Restricted(),
        proposal(view(restricted="SELL")),
        proposal(view(restricted="BUY")),
    ),
    "restricted on both sides": (
        trading.Restricted(),
        proposal(view(restricted="SELL")),
        proposal(view(restricted="both")),
    ),
    "hours": (
        trading.TradingHours(),
        replace(proposal(view(hours=(Hours(0, 5),))), time_ns=MONDAY + 299 * S),
        replace(proposal(view(hours=(Hours(0, 5),))), time_ns=MONDAY + 300 * S),
    ),
    "concentration": (
        diversification.Concentration(),
        proposal(view(share_after=0.5, concentration_max=0.5, **SHARES)),
        proposal(view(share_after=0.501, concentration_max=0.5, **SHARES)),
    ),
    "share of a venue": (
        diversification.VenueShare(),
        proposal(view(venue_share_after=0.5, venue_share_max=0.5, **SHARES)),
        proposal(view(venue_share_after=0.501, venue_share_max=0.5, **SHARES)),
    ),
    "share of a group": (
        diversification.GroupShare(),
        proposal(view(group_share_after=0.5, group_share_max=0.5, **SHARES)),
        proposal(view(group_share_after=0.501, group_share_max=0.5, **SHARES)),
    ),
    "effective number": (
        diversification.EffectiveNumber(),
        proposal(view(effective_after=3.0, effective_min=3.0, **SHARES)),
        proposal(view(effective_after=2.99, effective_min=3.0, **SHARES)),
    ),
    "rate": (
        rate.RateLimit(),
        proposal(view(orders=3, orders_max=4)),
        proposal(view(orders=4, orders_max=4)),
    ),
    "rate with a reserve": (
        rate.RateLimit(),
        proposal(view(orders=7, orders_max=10)),
        proposal(view(orders=8, orders_max=10)),
    ),
    "open orders": (
        repetition.OpenOrders(),
        proposal(view(open_orders=1, open_orders_max=2)),
        proposal(view(open_orders=2, open_orders_max=2)),
    ),
    "duplicate": (
        repetition.Duplicate(),
        proposal(view(repeat_ns=S), last_equal_ns=NOW - S),
        proposal(view(repeat_ns=S), last_equal_ns=NOW - S + 1),
    ),
    "flip": (
        short.Flip(),
        proposal(side=SELL, held=10, sells=5, want=5),
        proposal(side=SELL, held=10, sells=5, want="5.5"),
    ),
    "flip of a short": (
        short.Flip(),
        proposal(side=BUY, held=-10, buys=5, want=5),
        proposal(side=BUY, held=-10, buys=5, want="5.5"),
    ),
    "spot": (
        short.SpotShort(),
        proposal(side=SELL, held=10, sells=5, want=5, row=SPOT),
        proposal(side=SELL, held=10, sells=5, want="5.5", row=SPOT),
    ),
}
MISSING: dict[str, tuple[Check, ScopeView, dict[str, Any], str]] = {
    "gross": (exposure.GrossLimit(), view(gross=math.nan, gross_max=D(1)), {}, "MARK_UNKNOWN"),
    "net": (exposure.NetLimit(), view(net=math.nan, net_max=D(1)), {}, "MARK_UNKNOWN"),
    "leverage": (exposure.LeverageLimit(), view(equity=None, leverage_max=9.0), {}, "EQUITY_UNKNOWN"),
    "gross of leverage": (
        exposure.LeverageLimit(),
        view(gross=math.nan, equity=1.0, leverage_max=9.0),
        {},
        "MARK_UNKNOWN",
    ),
    "equity below 0": (
        exposure.LeverageLimit(), view(equity=-1.0, leverage_max=9.0), {}, "LEVERAGE_LIMIT",
    ),
    "notional": (size.NotionalMax(), view(notional_max=D(9)), {"notional": None}, "MARK_UNKNOWN"),
    "trade": (data.StaleTrade(), view(trade_age_ns=S), {"trade_ns": None}, "STALE_TRADE"),
    "quote": (data.StaleQuote(), view(quote_age_ns=S), {"quote_ns": None}, "STALE_QUOTE"),
    "share": (
        diversification.Concentration(),
        view(gross=math.nan, concentration_max=0.5),
        {},
        "MARK_UNKNOWN",
    ),
    "effective number": (
        diversification.EffectiveNumber(),
        view(gross=math.nan, effective_min=2.0),
        {},
        "MARK_UNKNOWN",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TABLE)
def test_a_value_at_the_limit_passes_and_a_step_beyond_is_refused(name):
    check, at_limit, beyond = TABLE[name]
    assert check.check(at_limit).passed
    found = check.check(beyond)
    assert (found.passed, found.code) == (False, check.code)


@pytest.mark.parametrize("name", MISSING)
def test_what_cannot_be_known_is_refused_unless_the_order_only_reduces(name):
    check, scope, missing, code = MISSING[name]
    found = check.check(proposal(scope, **missing))
    assert (found.passed, found.code) == (False, code)
    assert check.check(proposal(scope, **missing, **HELD)).passed


def test_a_collar_without_a_mark_and_a_touch_without_a_quote_refuse_also_what_reduces():
    for check, scope, missing, code in (
        (price.Collar(), view(collar_bps=50.0), {"mark": None}, "MARK_UNKNOWN"),
        (price.Touch(), view(touch_bps=50.0), {"ask": None, "bid": None}, "TOUCH_UNKNOWN"),
    ):
        for order in ({}, HELD):
            found = check.check(proposal(scope, terms=limit(100), **missing, **order))
            assert (found.passed, found.code) == (False, code)


def test_an_order_without_a_price_has_no_collar_and_one_that_only_makes_no_touch():
    assert price.Collar().check(proposal(view(collar_bps=1.0))) is None
    assert price.Touch().check(proposal(view(touch_bps=1.0))) is None
    resting = proposal(view(touch_bps=0.0), terms=limit(500, post_only=True))
    assert price.Touch().check(resting) is None
    assert price.Touch().check(proposal(view(touch_bps=0.0), terms=limit(100))).passed


LIMITS = ScopeLimits(
    "portfolio", position_max=D(0), gross_max=D(0), net_max=D(0), leverage_max=0.001,
    concentration_max=0.001, venue_share_max=0.001, group_share_max=0.001, effective_min=99.0,
    size_max=D(0), notional_max=D(0), trade_age_ns=0, quote_age_ns=0, orders_max=0,
    open_orders_max=0, restricted="both", hours=(Hours(9_000, 9_001),),
)  # fmt: skip
NUMBERS = st.sampled_from([0.0, 1.0, 1e9, math.nan])


@given(st.integers(1, 5), st.integers(5, 9), st.booleans(), NUMBERS, st.booleans())
def test_what_only_reduces_is_refused_by_no_limit_and_by_nothing_unknown(
    want, held, is_short, number, unknown
):
    shares = dict.fromkeys(("share_after", "venue_share_after", "effective_after"), number)
    scope = ScopeView(LIMITS, D(held), D(0), D(0), number, number, **shares, orders=99)
    side, held = (BUY, -held) if is_short else (SELL, held)
    missing = {"mark": None, "notional": None, "trade_ns": None, "quote_ns": None}
    order = proposal(scope, side=side, want=want, held=held, **(missing if unknown else {}))
    assert order.only_reduces
    found = [each for check in CHECKS if (each := check.check(order)) is not None]
    assert len(found) > 12
    assert [each.code for each in found if not each.passed] == []


@given(st.integers(1, 5), st.sampled_from([BUY, SELL]))
def test_what_opens_against_limits_of_nothing_is_refused_by_each(want, side):
    shares = dict.fromkeys(("share_after", "venue_share_after", "group_share_after"), 1.0)
    scope = ScopeView(LIMITS, D(0), D(0), D(0), 1e3, 1e3, **shares, effective_after=1.0, equity=1.0)
    order = proposal(scope, side=side, want=want, trade_ns=NOW - 1, quote_ns=NOW - 1)
    found = [each for check in CHECKS if (each := check.check(order)) is not None]
    assert {each.code for each in found if each.passed} == set()


def test_a_scope_that_is_small_has_no_spread():
    small = view(share_after=1.0, concentration_max=0.5, spread_floor=D(100), **SHARES)
    assert diversification.Concentration().check(proposal(small)).passed
    large = view(share_after=1.0, concentration_max=0.5, spread_floor=D(99), **SHARES)
    assert not diversification.Concentration().check(proposal(large)).passed


def test_of_several_scopes_the_first_that_fails_decides():
    wide, tight = view(units=2, position_max=D(9)), view(units=2, position_max=D(2))
    found = position.PositionLimit().check(proposal(wide, tight, wide))
    assert (found.passed, found.limit) == (False, D(2))


def test_flips_are_allowed_of_contracts_and_never_of_spot():
    beyond = {"side": SELL, "held": 1, "want": 2, "flips": True}
    assert short.Flip().check(proposal(**beyond)) is None
    assert not short.Flip().check(proposal(**beyond, row=SPOT)).passed
    assert short.Flip().check(proposal(side=SELL, want=2)) is None  # it opens: nothing is turned


def test_reduce_only_orders_are_clipped_by_the_venue_and_pass():
    clipped = {"side": SELL, "want": 9, "held": 1, "terms": Terms(reduce_only=True)}
    assert short.Flip().check(proposal(**clipped)) is None
    assert short.SpotShort().check(proposal(**clipped, row=SPOT)) is None
    assert proposal(**clipped).only_reduces


@pytest.mark.parametrize(
    ("order", "reduces"),
    [
        ({"side": SELL, "held": 10, "sells": 5, "want": 8}, 5),
        ({"side": SELL, "held": 10, "sells": 12, "want": 8}, 0),
        ({"side": SELL, "held": 10, "buys": 9, "want": 8}, 8),
        ({"side": BUY, "held": -10, "buys": 5, "want": 8}, 5),
        ({"side": BUY, "held": 10, "want": 8}, 0),
        ({"side": SELL, "held": 0, "want": 8}, 0),
    ],
)
def test_what_an_order_reduces_is_counted_behind_open_orders_of_its_side(order, reduces):
    assert proposal(**order).reduces == reduces
