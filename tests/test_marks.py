"""Marks: which price a position is valued at, and what is no market."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tapeflow.operators.desk.marks import Marks
from tapeflow.schemas.market import LATE, OFF_MARKET, MarkPrices
from tapeflow.schemas.time import NO_TIME
from tests.columns import batch, desk_ticks, ints, quotes, tick
from tests.frames import MS, S

NAN = math.nan


def trade(at_ns, price, *, offset=0, **more):
    """Return the columns of one trade of instrument 0."""
    return batch(tick(at_ns, price, **more), first_offset=offset).market.trades


def quote(at_ns, bid, ask, *, offset=0):
    """Return the columns of one quote of instrument 0."""
    return quotes((offset, at_ns, 0, bid, ask))


def mark_price(at_ns, price, *, offset=0):
    """Return the columns of one mark price of instrument 0."""
    prices = np.array([price], np.float64)
    where = (ints([offset]), ints([at_ns]), ints([0]), ints([at_ns]))
    return MarkPrices(*where, prices, prices, prices, ints([NO_TIME]))


def marks_after(*ticks):
    """Return the marks after these ticks, whose offsets are their places here."""
    marks = Marks.empty(1)
    for offset, each in enumerate(ticks):
        marks.update(desk_ticks(replace(each, offset=ints([offset]))))
    return marks


def prices(*ticks):
    """Return the prices that a long and a short are valued at after these ticks."""
    marks = marks_after(*ticks)
    return tuple(marks.closing_price(0, long=long).price for long in (True, False))


# --- the newer one -------------------------------------------------------------------------------


def test_a_newer_trade_beats_an_older_quote_and_a_newer_quote_an_older_trade():
    assert prices(quote(S, 100.9, 101.1), trade(8 * S, 80.2)) == (80.2, 80.2)
    assert prices(trade(S, 80.2), quote(8 * S, 100.9, 101.1)) == (100.9, 101.1)


def test_at_equal_log_times_the_offset_says_which_is_newer():
    assert prices(quote(S, 99, 101), trade(S, 100)) == (100, 100)
    assert prices(trade(S, 100), quote(S, 99, 101)) == (99, 101)


def test_a_quote_of_the_same_record_as_a_trade_is_the_state_after_it():
    marks = Marks.empty(1)
    for ticks in (quote(S, 99, 101, offset=7), trade(S, 100, offset=7)):
        marks.update(desk_ticks(ticks))
    assert marks.closing_price(0, long=True).price == 99


def test_the_tables_of_a_market_may_come_in_any_order():
    in_log = [
        quote(S, 99, 101, offset=1),
        trade(2 * S, 100, offset=2),
        mark_price(0, 98, offset=0),
    ]
    marks = Marks.empty(1)
    for ticks in reversed(in_log):
        marks.update(desk_ticks(ticks))
    assert marks.closing_price(0, long=True) == (98, 0)


def test_a_mark_has_the_time_of_its_tick():
    marks = marks_after(trade(S, 100), quote(2 * S, 99, 101))
    assert marks.closing_price(0, long=True) == (99, 2 * S)
    marks.update(desk_ticks(trade(3 * S, 98, offset=9)))
    assert marks.closing_price(0, long=True) == (98, 3 * S)


@pytest.mark.parametrize("verdict", [LATE, OFF_MARKET])
def test_a_trade_that_is_not_used_is_no_mark(verdict):
    assert prices(trade(S, 100), trade(2 * S, 70, verdict=verdict)) == (100, 100)


# --- the venue's own mark price ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("later_ns", "price"), [(0, 100.5), (5 * S, 100.5), (5 * S + 1, 99.0), (60 * S, 99.0)]
)
def test_a_mark_price_is_taken_until_it_is_five_seconds_older_than_the_newest_tick(later_ns, price):
    assert prices(trade(S, 100), mark_price(S, 100.5), trade(S + later_ns, 99.0)) == (price, price)
    quoted = quote(S + later_ns, 99.0, 99.0)
    assert prices(trade(S, 100), mark_price(S, 100.5), quoted) == (price, price)


@pytest.mark.parametrize("none", [NAN, 0.0])
def test_a_venue_that_has_no_mark_price_now_leaves_the_quote(none):
    ticks = (trade(S, 100), quote(S, 99, 101), mark_price(S, 100.5), mark_price(2 * S, none))
    assert prices(*ticks) == (99, 101)


@pytest.mark.parametrize("odd", [-1.0, 1e12, 1e13, 1e60, math.inf, -math.inf])
def test_a_mark_price_out_of_range_leaves_the_one_before(odd):
    assert prices(trade(S, 100), mark_price(S, 100.5), mark_price(2 * S, odd)) == (100.5, 100.5)


@pytest.mark.parametrize("absurd", [1000.01, 9.99])
def test_a_mark_price_far_from_the_last_trade_is_not_taken(absurd):
    assert prices(trade(S, 100), mark_price(2 * S, absurd)) == (100, 100)


# --- what is no market ---------------------------------------------------------------------------

NO_MARKET = {
    "crossed": (101.0, 99.0),
    "both sides beyond the range": (1e60, 2e60),
    "bid beyond the range": (1e13, 101.0),
    "ask beyond the range": (99.0, 1e12),
    "negative bid": (-99.0, 101.0),
    "both negative": (-2.0, -1.0),
    "infinite": (99.0, math.inf),
    "below the range": (1e-13, 101.0),
    "bid beyond the range, no ask": (1e12, 0.0),
}


@pytest.mark.parametrize("sides", NO_MARKET.values(), ids=NO_MARKET.keys())
def test_a_quote_that_is_no_market_leaves_the_marks_as_they_are(sides):
    assert prices(trade(S, 105), quote(2 * S, *sides)) == (105, 105)
    assert prices(trade(S, 105), quote(S, 104, 106), quote(2 * S, *sides)) == (104, 106)
    assert marks_after(quote(S, 104, 106), quote(2 * S, *sides)).quote_at[0].tolist() == [S, 0, 0]


@pytest.mark.parametrize(
    ("sides", "expected"),
    [
        ((10.5, 1050.0), (10.5, 1050.0)),  # ten times above and below: still a market
        ((10.4, 106.0), (105, 106)),  # a stub bid
        ((104.0, 1051.0), (104, 105)),  # a stub ask
        ((1e-12, 1e11), (105, 105)),
        ((2000.0, 2001.0), (105, 105)),
    ],
)
def test_a_side_ten_times_away_from_the_last_trade_is_not_taken(sides, expected):
    assert prices(trade(S, 105), quote(2 * S, *sides)) == expected


def test_a_locked_quote_is_a_price():
    assert prices(trade(S, 105), quote(2 * S, 104, 104)) == (104, 104)


@pytest.mark.parametrize("none", [NAN, 0.0])
def test_an_empty_side_leaves_the_last_trade_and_says_nothing_about_the_other(none):
    assert prices(trade(S, 105), quote(2 * S, none, 106)) == (105, 106)
    assert prices(trade(S, 105), quote(2 * S, 104, none)) == (104, 105)
    assert prices(trade(S, 105), quote(S, 104, 106), quote(2 * S, none, none)) == (105, 105)


# --- any log, any pages --------------------------------------------------------------------------

NUMBERS = (NAN, -1.0, 0.0, 1e-13, 1e-12, 9.0, 80.0, 99.0, 100.0, 101.0, 950.0, 1e12, 1e60, math.inf)


def in_market(price):
    """Return whether a price may be one of a market."""
    return 1e-12 <= price < 1e12


def expected_price(rows, *, long):
    """Return the price and time after (kind, log time, price, price), in plain words, newest first."""
    rows = [(number, *row) for number, row in enumerate(rows)][::-1]
    last = next(((n, p, ns) for n, kind, ns, p, _ in rows if kind == "trade"), (-1, NAN, None))

    def is_near(price):
        return not math.isnan(price) and (
            math.isnan(last[1]) or last[1] / 10 <= price <= last[1] * 10
        )

    def is_market(bid, ask):
        sides = [each for each in (bid, ask) if not math.isnan(each) and each != 0]
        return all(map(in_market, sides)) and sides == sorted(sides)

    quote = next(
        ((n, (b, a), ns) for n, kind, ns, b, a in rows if kind == "quote" and is_market(b, a)), None
    )
    mark = next(
        ((p, ns) for _, kind, ns, p, _ in rows if kind == "mark" and (in_market(p) or not p or math.isnan(p))), None
    )  # fmt: skip
    times = [each[2] for each in (last, quote) if each is not None and each[2] is not None]
    fresh = mark is not None and (not times or max(times) - mark[1] <= 5 * S)
    if fresh and mark[0] and is_near(mark[0]):
        return mark
    if quote is not None and quote[0] > last[0]:
        side = quote[1][0 if long else 1]
        if side and is_near(side):
            return side, quote[2]
    return last[1:]


@st.composite
def rows_of_ticks(draw):
    """Draw ticks in log order: trades in range, quotes and mark prices of any price."""
    rows, now = [], 0
    for _ in range(draw(st.integers(1, 12))):
        now += draw(st.sampled_from([0, 1, 900 * MS, 5 * S, 6 * S]))
        kind = draw(st.sampled_from(["trade", "quote", "mark"]))
        first, second = draw(st.sampled_from(NUMBERS)), draw(st.sampled_from(NUMBERS))
        if kind != "trade" or in_market(first):
            rows.append((kind, now, first, second))
    return rows


@settings(max_examples=500, deadline=None)
@given(rows_of_ticks(), st.booleans())
def test_the_price_of_a_position_is_that_of_a_plain_model(rows, long):
    make = {"trade": lambda ns, p, _: trade(ns, p), "quote": quote, "mark": lambda ns, p, _: mark_price(ns, p)}  # fmt: skip
    marks = marks_after(*(make[kind](*values) for kind, *values in rows))
    price, log_ns = marks.closing_price(0, long=long)
    expected, expected_ns = expected_price(rows, long=long)
    assert price == expected or (math.isnan(price) and math.isnan(expected))
    assert math.isnan(price) or log_ns == expected_ns


@settings(max_examples=100, deadline=None)
@given(rows_of_ticks(), st.integers(0, 12))
def test_quotes_in_one_chunk_or_in_two_give_the_same_marks(rows, cut):
    rows = [(n, ns, 0, b, a) for n, (kind, ns, b, a) in enumerate(rows) if kind == "quote"]
    whole, parts = Marks.empty(1), Marks.empty(1)
    whole.update(desk_ticks(quotes(*rows)))
    parts.update(desk_ticks(quotes(*rows[:cut])))
    parts.update(desk_ticks(quotes(*rows[cut:])))
    for name in ("quote", "quote_at"):
        assert np.array_equal(getattr(whole, name), getattr(parts, name), equal_nan=True)
