"""The bounds of the paper venue: no more rows matter than must, and no fewer: docs/paper.md 4, 5."""

import math

import pytest

from tapeflow.operators.desk.venue.bounds import Bounds
from tapeflow.operators.desk.venue.rows import MarkRow, QuoteRow, TradeRow
from tapeflow.schemas.sides import BUY, SELL
from tapeflow.schemas.time import MAX_NS
from tests.venue_market import amend, instrument, paper, place, quote, run_three_ways, trade, until

QUIET = quote(1, 90, 110, 9, 9)
FIRST = trade(11, 100)
NONE = Bounds()


def bounds(*steps, model="sized", **rules):
    return run_three_ways(paper(model, **rules), [QUIET, *steps]).venue.bounds(0)


def below(price):
    return math.nextafter(price, -math.inf)


def above(price):
    return math.nextafter(price, math.inf)


def order(side, kind, **terms):
    return place(10, "o", side, 5, kind, **terms), FIRST


def test_without_orders_no_row_matters():
    assert bounds() == bounds(FIRST) == NONE
    where, v = (5, "binance-0", 1), MAX_NS - 1
    for price in (1e-12, 100.0, 1e12):
        assert not NONE.match(TradeRow(where, 0, v, price, 1.0))
        assert not NONE.match(QuoteRow(where, 0, v, price, 1.0, price, 1.0))
        assert not NONE.match(MarkRow(where, 0, v, price))


@pytest.mark.parametrize("empty", [math.nan, 0.0])
def test_an_empty_side_does_not_matter_without_orders(empty):
    assert not NONE.match(QuoteRow((5, "binance-0", 1), 0, 5, empty, empty, empty, empty))


@pytest.mark.parametrize(
    ("side", "kind", "terms", "expected"),
    [
        (BUY, "limit", {"limit": 95}, {"trade_low": below(95.0)}),
        (SELL, "limit", {"limit": 105}, {"trade_high": above(105.0)}),
        (BUY, "stop", {"trigger": 105}, {"trade_high": 105}),
        (SELL, "stop", {"trigger": 95}, {"trade_low": 95}),
        (BUY, "stop_limit", {"trigger": 105, "limit": 90, "trigger_on": "quote"}, {"ask_high": 105}),
        (SELL, "stop", {"trigger": 85, "trigger_on": "quote"}, {"bid_low": 85}),
        (BUY, "take_profit", {"trigger": 95, "trigger_on": "quote"}, {"ask_low": 95}),
        (SELL, "take_profit_limit", {"trigger": 105, "limit": 1, "trigger_on": "quote"}, {"bid_high": 105}),
        (BUY, "stop", {"trigger": 105, "trigger_on": "mark"}, {"mark_high": 105}),
        (SELL, "stop", {"trigger": 95, "trigger_on": "mark"}, {"mark_low": 95}),
        (SELL, "trailing", {"trail": 2}, {"trade_low": 98, "trade_high": above(100.0)}),
        (BUY, "trailing", {"trail": 2}, {"trade_low": below(100.0), "trade_high": 102}),
        (SELL, "trailing", {"trail": 2, "activate": 104}, {"trade_high": 104}),
        (BUY, "trailing", {"trail": 2, "activate": 96}, {"trade_low": 96}),
        (BUY, "trailing", {"trail": 2, "trigger_on": "mark"}, {"mark_high": -math.inf}),
        (SELL, "trailing", {"trail": 2, "trigger_on": "quote"}, {"bid_high": -math.inf}),
    ],
)  # fmt: skip
@pytest.mark.parametrize("model", ["trade", "sized"])
def test_an_order_bounds_the_rows_that_matter(model, side, kind, terms, expected):
    assert bounds(*order(side, kind, **terms), model=model) == NONE._replace(**expected)


def test_the_nearest_order_bounds_the_rows():
    steps = *(place(10, f"o{price}", BUY, 1, "limit", limit=price) for price in (80, 95, 88)), FIRST
    assert bounds(*steps).trade_low == below(95.0)
    assert bounds(*steps, trade(12, 94)).trade_low == below(88.0)


def test_touch_is_shown_trades_at_the_limit_the_opposite_side_and_while_it_queues_its_own():
    buy = {"trade_low": 95, "ask_low": 95}
    queued = quote(5, 95, 110, 3, 9)
    steps = order(BUY, "limit", limit=95)
    assert bounds(*steps, model="touch") == NONE._replace(**buy)
    assert bounds(queued, *steps, model="touch") == NONE._replace(**buy, bid_low=95)
    assert bounds(queued, *steps, trade(12, 95, 2), model="touch") == NONE._replace(
        **buy, bid_low=95
    )
    assert bounds(queued, *steps, trade(12, 95, 3), model="touch") == NONE._replace(**buy)
    assert bounds(queued, *steps, quote(12, 94, 110), model="touch") == NONE._replace(**buy)
    sell = {"trade_high": 105, "bid_high": 105}
    steps = order(SELL, "limit", limit=105)
    assert bounds(*steps, model="touch") == NONE._replace(**sell)
    assert bounds(quote(5, 90, 104, 3, 9), *steps, model="touch") == NONE._replace(
        **sell, ask_high=105
    )


@pytest.mark.parametrize("model", ["trade", "sized", "touch"])
def test_every_row_matters_from_the_arrival_of_an_order_on(model):
    assert bounds(place(10, "o", BUY, 1), model=model, entry=5) == NONE._replace(enter_ns=15)


def test_every_row_matters_while_a_market_order_waits():
    assert bounds(*order(BUY, "market"), model="touch", age=1) == NONE._replace(enter_ns=10)


def test_every_row_matters_from_an_end_on_and_no_longer():
    gtd = order(BUY, "limit", limit=95, tif="GTD", expire_ns=50)
    assert bounds(*gtd) == NONE._replace(enter_ns=50, trade_low=below(95.0))
    assert bounds(*gtd, until(50)).trade_low == -math.inf
    assert bounds(*gtd, trade(50, 100)) == NONE


def test_the_next_row_matters_to_an_amended_order_that_may_take():
    steps = *order(BUY, "limit", limit=95), amend(12, "o", limit=96)
    assert bounds(*steps) == NONE._replace(enter_ns=12, trade_low=below(96.0))
    assert bounds(*steps, trade(13, 100)) == NONE._replace(trade_low=below(96.0))


def test_each_instrument_has_its_own_bounds():
    two = instrument("A-USD.BINANCE"), instrument("B-USD.BINANCE")
    steps = place(10, "o", BUY, 1, "limit", limit=95, i=1), trade(11, 100, i=1)
    venue = run_three_ways(paper(), steps, *two).venue
    assert (venue.bounds(0), venue.bounds(1)) == (NONE, NONE._replace(trade_low=below(95.0)))


def test_few_rows_are_shown_to_orders_far_away():
    steps = [*(place(10, f"o{n}", BUY, 1, "limit", limit=50 + n) for n in range(20)), FIRST]
    steps += [trade(20 + n, 80 + n % 9) for n in range(50)]
    steps += [quote(80 + n, 80 + n % 9, 90) for n in range(50)]
    market = run_three_ways(paper("touch"), [QUIET, *steps])
    assert len(market.venue.orders) == 20
    assert market.shown_by_bounds == 1
