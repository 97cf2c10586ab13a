"""Find the next row of the market that matters to an order: one pass for all orders.

    price      ---- high ------------------*----     a row matters that is at a bound, or beyond
                          x   x  x     x             it, or late enough for an order to enter
               ---- low -------------------------

The bounds of an instrument are those of all its orders together, and made by the paper venue: a row
that does not matter changes no order.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from tapeflow.engine.compiled import by_numbers, compiled
from tapeflow.operators.desk.merge import Merge, Pending, rows_before
from tapeflow.operators.desk.venue.bounds import Bounds
from tapeflow.schemas.columns import Floats, Floats2, Ints
from tapeflow.schemas.desk_market import DeskMarkPrices, DeskQuotes, DeskTicks, DeskTrades
from tapeflow.schemas.time import MAX_NS, LogPosition

(TRADE_LOW, TRADE_HIGH, BID_LOW, BID_HIGH, ASK_LOW, ASK_HIGH, MARK_LOW, MARK_HIGH) = range(8)
NO_BOUNDS = Bounds()  # that no row is at


class FoundRow(NamedTuple):
    """A row that matters: tables of one record are in the order of DeskMarket."""

    position: LogPosition
    table: int  # its number among the tables of DeskMarket
    pending: Pending
    row: int


@dataclass(slots=True)
class Watch:
    """The bounds of each instrument, and the next row of each partition that matters."""

    low_high: Floats  # (instruments, 8)
    enter_ns: Ints  # (instruments,): venue time from which every trade and quote matters
    watched: dict[str, set[int]]  # by partition: instruments with an order
    found: dict[str, FoundRow]  # by partition

    @classmethod
    def empty(cls, instruments: int) -> "Watch":
        """Return a watch of no instrument."""
        return cls(np.tile(NO_BOUNDS[1:], (instruments, 1)), np.full(instruments, MAX_NS), {}, {})

    def set_bounds(self, partition: str, instrument: int, bounds: Bounds) -> None:
        """Set the bounds of an instrument."""
        watched = self.watched.setdefault(partition, set())
        (watched.discard if bounds == NO_BOUNDS else watched.add)(instrument)
        self.enter_ns[instrument], *low_high = bounds
        self.low_high[instrument] = low_high

    def search(self, merge: Merge, partition: str) -> None:
        """Find the next row of a partition that matters, of those that are not released."""
        self.found.pop(partition, None)
        if not self.watched.get(partition):
            return
        first: FoundRow | None = None
        for number, pending in enumerate(merge.pending.get(partition, ())):
            if not pending.chunks:
                continue
            row = self.search_table(merge.horizon, partition, number, pending)
            if row is not None and (first is None or row[:2] < first[:2]):
                first = row
        if first is not None:
            self.found[partition] = first

    def search_table(
        self, horizon: LogPosition, partition: str, number: int, pending: Pending
    ) -> FoundRow | None:
        """Return the first row of a table below the horizon that matters."""
        begin = pending.begin
        for ticks in pending.chunks:
            end = rows_before(horizon, partition, ticks)
            row = self.next_row(ticks, begin, end)
            if row < end:
                position = (int(ticks.log_ns[row]), partition, int(ticks.offset[row]))
                return FoundRow(position, number, pending, row)
            if end < len(ticks):
                break
            begin = 0
        return None

    def next_row(self, ticks: DeskTicks, begin: int, end: int) -> int:
        """Return the first of rows `begin` to `end` that matters, else `end`."""
        bounds = (self.low_high, self.enter_ns, ticks.instrument, ticks.venue_ns)
        if isinstance(ticks, DeskTrades):
            return next_trade(*bounds, ticks.price, begin, end)
        if isinstance(ticks, DeskQuotes):
            return next_quote(*bounds, ticks.bid, ticks.ask, begin, end)
        assert isinstance(ticks, DeskMarkPrices), "a table of no kind"
        return next_mark(self.low_high, ticks.instrument, ticks.mark, begin, end)


@compiled
@by_numbers
def next_trade(
    low_high: Floats2,
    enter_ns: Ints,
    instrument: Ints,
    venue_ns: Ints,
    price: Floats,
    begin: int,
    end: int,
) -> int:
    """Return the first trade at or beyond a bound, or late enough for an order to enter."""
    for row in range(begin, end):
        number = instrument[row]
        if (
            price[row] <= low_high[number, TRADE_LOW]
            or price[row] >= low_high[number, TRADE_HIGH]
            or venue_ns[row] >= enter_ns[number]
        ):
            return row
    return end


@compiled
@by_numbers
def next_quote(  # noqa: PLR0913, PLR0917  # a kernel takes plain arrays
    low_high: Floats2,
    enter_ns: Ints,
    instrument: Ints,
    venue_ns: Ints,
    bid: Floats,
    ask: Floats,
    begin: int,
    end: int,
) -> int:
    """Return the first quote with a side at or beyond a bound, or that an order enters at."""
    for row in range(begin, end):
        number = instrument[row]
        if (
            bid[row] <= low_high[number, BID_LOW]
            or bid[row] >= low_high[number, BID_HIGH]
            or ask[row] <= low_high[number, ASK_LOW]
            or ask[row] >= low_high[number, ASK_HIGH]
            or venue_ns[row] >= enter_ns[number]
        ):
            return row
    return end


@compiled
@by_numbers
def next_mark(low_high: Floats2, instrument: Ints, mark: Floats, begin: int, end: int) -> int:
    """Return the first mark price at or beyond a bound; a low one of infinity is of every row."""
    for row in range(begin, end):
        low, high = low_high[instrument[row], MARK_LOW], low_high[instrument[row], MARK_HIGH]
        if mark[row] <= low or mark[row] >= high or low == math.inf:
            return row
    return end
