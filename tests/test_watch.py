"""The next row that matters, over columns: equal to asking every row in the order of the log."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapeflow.operators.desk.marks import Marks
from tapeflow.operators.desk.merge import Merge
from tapeflow.operators.desk.rows import market_row
from tapeflow.operators.desk.venue.bounds import Bounds
from tapeflow.operators.desk.watch import Watch
from tapeflow.schemas.batches import DeskBatch
from tapeflow.schemas.desk_market import DeskMarket, DeskMarkPrices, DeskQuotes, DeskTrades
from tapeflow.schemas.time import MAX_NS
from tests.columns import ints

import numpy as np  # isort: skip

A = "binance-0"
LEVELS = [98.0, 99.0, 99.5, 100.0, 100.5, 101.0, 102.0]


def column(values):
    return np.array(list(values), np.float64)


def market(rows):
    """Return tables of (kind, offset, log time, venue time, instrument, prices)."""

    def of(kind):
        found = [row for row in rows if row[0] == kind]
        fields = {
            name: ints(row[place] for row in found)
            for place, name in enumerate(("offset", "log_ns", "venue_ns", "instrument"), 1)
        }
        return found, fields | {"event_ns": fields["venue_ns"]}

    trades, trade_fields = of("trade")
    quotes, quote_fields = of("quote")
    marks, mark_fields = of("mark")
    size = column(1 for _ in trades)
    ones = column(1 for _ in quotes)
    return DeskMarket(
        filled(DeskTrades, trade_fields, trade_id=trade_fields["offset"], size=size, price=column(row[5] for row in trades)),
        filled(
            DeskQuotes, quote_fields, bid=column(row[5] for row in quotes), ask=column(row[6] for row in quotes),
            bid_size=ones, ask_size=ones,
        ),
        filled(DeskMarkPrices, mark_fields, mark=column(row[5] for row in marks)),
    )  # fmt: skip


def filled(kind, fields, **more):
    """Return a table; columns that do not matter here are NaN or 0."""
    fields |= more
    rows = len(fields["offset"])
    empty = dict(zip(kind.column_names(), kind.empty().arrays(), strict=True))
    return kind(
        **{
            name: fields.get(name, np.full(rows, math.nan).astype(each.dtype) if each.dtype == np.float64 else np.zeros(rows, each.dtype))
            for name, each in empty.items()
        }
    )  # fmt: skip


def merge_of(*pages):
    """Return a merge with these pages of rows of one partition, of which all are below the horizon."""
    merge = Merge((A,), Marks.empty(2))
    offset = 0
    for number, rows in enumerate(pages):
        last = max((row[1] for row in rows), default=offset - 1) + 1
        log_ns = max((row[2] for row in rows), default=merge.log_ns)
        end = number == len(pages) - 1
        merge.add(DeskBatch(A, offset, last, log_ns, end, ints([]), market(rows), ()))
        offset = last
    merge.advance()
    return merge


def found_by(watch, merge):
    """Return (offset, table) of the row that is found, or None."""
    watch.search(merge, A)
    row = watch.found.get(A)
    return None if row is None else (row.position[2], row.table)


TABLES = {"trade": 0, "quote": 1, "mark": 2}


@st.composite
def pages_of_rows(draw):
    pages, offset, now = [], 0, 100
    for _ in range(draw(st.integers(1, 4))):
        rows = []
        for _ in range(draw(st.integers(0, 6))):
            now += draw(st.integers(0, 3))
            for kind in draw(st.lists(st.sampled_from([*TABLES]), min_size=1, max_size=3)):
                prices = draw(st.sampled_from(LEVELS)), draw(st.sampled_from([*LEVELS, math.nan]))
                where = now - draw(st.integers(0, 9)), draw(st.integers(0, 1))
                rows.append((kind, offset, now, *where, *prices))
            offset += 1
        pages.append(rows)
    return pages


level = st.sampled_from([*LEVELS, math.inf])
some_bounds = st.builds(
    Bounds,
    st.sampled_from([MAX_NS, MAX_NS, 95, 100, 104]),
    *([level.map(lambda each: -math.inf if math.isinf(each) else each), level] * 4),
)


@settings(max_examples=300, deadline=None)
@given(pages_of_rows(), st.tuples(some_bounds, some_bounds))
def test_the_row_that_is_found_is_the_first_that_is_within_no_bounds(pages, bounds):
    merge, watch = merge_of(*pages), Watch.empty(2)
    for instrument, each in enumerate(bounds):
        watch.set_bounds(A, instrument, each)
    expected = None
    for rows in pages:
        for table in range(len(TABLES)):
            ticks = market(rows).columns()[table]
            for row in range(len(ticks)):
                value = market_row(ticks, row, A)
                place = int(ticks.offset[row]), table
                if bounds[value.instrument].match(value):
                    expected = place if expected is None else min(expected, place)
    assert found_by(watch, merge) == expected


SIDES = {  # by field of Bounds: a row that is at 100 there, and nowhere else
    "trade_low": ("trade", 100.0, 0), "trade_high": ("trade", 100.0, 0),
    "bid_low": ("quote", 100.0, 101.0), "bid_high": ("quote", 100.0, 101.0),
    "ask_low": ("quote", 99.0, 100.0), "ask_high": ("quote", 99.0, 100.0),
    "mark_low": ("mark", 100.0, 0), "mark_high": ("mark", 100.0, 0),
}  # fmt: skip


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize(("distance", "matters"), [(-0.5, False), (0.0, True), (0.5, True)])
def test_a_row_matters_at_a_bound_and_beyond_it(side, distance, matters):
    kind, *prices = SIDES[side]
    bound = 100.0 + (distance if side.endswith("low") else -distance)
    watch = Watch.empty(2)
    watch.set_bounds(A, 1, Bounds(**{side: bound}))
    row = (kind, 0, 100, 100, 1, *prices)
    other = (kind, 0, 100, 100, 0, *prices)  # of an instrument without an order
    assert found_by(watch, merge_of([other, row])) == ((0, TABLES[kind]) if matters else None)


@pytest.mark.parametrize(("venue_ns", "matters"), [(99, False), (100, True)])
@pytest.mark.parametrize("kind", ["trade", "quote"])
def test_a_row_matters_from_the_venue_time_at_which_an_order_enters(kind, venue_ns, matters):
    watch = Watch.empty(2)
    watch.set_bounds(A, 0, Bounds(enter_ns=100))
    row = (kind, 0, 200, venue_ns, 0, 100.0, 101.0)
    assert (found_by(watch, merge_of([row])) is not None) is matters


def test_of_one_record_a_trade_is_found_before_a_quote():
    watch = Watch.empty(2)
    watch.set_bounds(A, 0, Bounds(enter_ns=0))
    rows = [("quote", 3, 9, 9, 0, 99.0, 101.0), ("trade", 3, 9, 9, 0, 100.0, 0)]
    assert found_by(watch, merge_of(rows)) == (3, TABLES["trade"])


def test_the_search_goes_on_in_the_next_page():
    watch = Watch.empty(2)
    watch.set_bounds(A, 0, Bounds(trade_low=98.0))
    pages = [[("trade", n, n, n, 0, 98.0 if n == 2 else 100.0, 0)] for n in range(4)]
    assert found_by(watch, merge_of(*pages)) == (2, TABLES["trade"])


def test_an_instrument_without_an_order_is_not_watched():
    watch = Watch.empty(2)
    watch.set_bounds(A, 0, Bounds(enter_ns=0))
    watch.set_bounds(A, 0, Bounds())
    assert found_by(watch, merge_of([("trade", 0, 9, 9, 0, 1.0, 0)])) is None
