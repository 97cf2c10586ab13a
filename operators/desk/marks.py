"""Marks: the price that an open position is valued at, and how old it is.

    log order    quote 99/101      trade 100.5      quote 0/1e60       trade 80.2
    a long at         99             100.5             100.5              80.2
                                   the newer one     is no market

The venue's own mark price is taken where it is read and not MARK_PRICE_AGE_NS older than the newest
trade or quote. Otherwise the newer one of the last trade and the last quote is taken; of a quote
the side at which the position could be closed. What is no market is never a mark: a crossed quote
(bid above ask), a price outside of [PRICE_MIN, PRICE_MAX), or one that is ABSURD times above or
below the last trade. It leaves the marks as they are.
"""

import math
from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np

from tapeflow.operators.desk.mark_kernels import update_mark_prices, update_quotes, update_trades
from tapeflow.schemas.columns import Floats, Ints
from tapeflow.schemas.desk_market import DeskMarkPrices, DeskQuotes, DeskTicks, DeskTrades
from tapeflow.schemas.time import MIN_NS

ABSURD = 10.0  # a quote or mark price so many times above or below the last trade is no market
MARK_PRICE_AGE_NS = 5_000_000_000  # venues send mark prices every 1 or 3 s: one may be missing


class Mark(NamedTuple):
    """A price, and the log time of the tick that it came with."""

    price: float
    log_ns: int


@dataclass(slots=True)
class Marks:
    """The newest released prices, a row for each instrument; NaN where there was none."""

    last: Floats  # of accepted trades
    last_at: Ints  # (instruments, 2): log time and offset; an instrument is of one partition
    quote: Floats  # (instruments, 2): bid and ask
    quote_size: Floats  # (instruments, 2): of the bid and of the ask
    quote_at: Ints  # (instruments, 3): log time, offset, number among the quotes of its record
    mark: Floats  # the venue's own, of perpetuals
    mark_ns: Ints  # log time
    trade_delay_ns: Ints  # of the last trade behind its venue's clock: see venue_clock.py
    quote_delay_ns: Ints  # of the last quote, one of a market or not
    quote_row_at: Ints  # (instruments, 2): where that quote was
    filled: Floats  # price of our last fill: for a position in what has no other price
    filled_ns: Ints  # log time

    @classmethod
    def empty(cls, instruments: int) -> "Marks":
        """Return marks without a price."""
        none, never = np.full(instruments, math.nan), np.full((instruments, 2), [MIN_NS, -1])
        two, zero = np.full((instruments, 2), math.nan), np.zeros(instruments, np.int64)
        never_quoted = np.full((instruments, 3), [MIN_NS, -1, 0])
        return cls(
            last=none,
            last_at=never,
            quote=two,
            quote_size=two.copy(),
            quote_at=never_quoted,
            mark=none.copy(),
            mark_ns=never[:, 0].copy(),
            trade_delay_ns=zero,
            quote_delay_ns=zero.copy(),
            quote_row_at=never.copy(),
            filled=none.copy(),
            filled_ns=never[:, 0].copy(),
        )

    def columns(self) -> tuple[Floats | Ints, ...]:
        """Return the arrays, in the order of the fields."""
        return tuple(getattr(self, each.name) for each in fields(self))

    def update(self, ticks: DeskTicks, begin: int = 0, end: int | None = None) -> None:
        """Apply the prices of rows `begin` to `end`, in their order; without them of all rows.

        The tables of a market may come in any order, each in its own.
        """
        end = len(ticks) if end is None else end
        where = (ticks.instrument, ticks.log_ns, ticks.offset, ticks.venue_ns)
        if isinstance(ticks, DeskTrades):
            update_trades(
                self.last, self.last_at, self.trade_delay_ns, *where, ticks.price, begin, end
            )
        elif isinstance(ticks, DeskQuotes):
            written = (self.quote, self.quote_size, self.quote_at)
            seen = (self.quote_row_at, self.quote_delay_ns)
            columns = (ticks.bid, ticks.bid_size, ticks.ask, ticks.ask_size)
            update_quotes(*written, *seen, *where, *columns, begin, end)
        elif isinstance(ticks, DeskMarkPrices):
            update_mark_prices(self.mark, self.mark_ns, *where[:2], ticks.mark, begin, end)

    def delay_ns(self, instrument: int) -> int:
        """Return how far the last trade or quote of an instrument is behind its venue's clock."""
        if self.quote_row_at[instrument].tolist() >= self.last_at[instrument].tolist():
            return int(self.quote_delay_ns[instrument])
        return int(self.trade_delay_ns[instrument])

    def closing_price(self, instrument: int, *, long: bool) -> Mark:
        """Return the price that a position is valued at: the rule is at the head of this file."""
        last_ns, last_offset = self.last_at[instrument].tolist()
        quote_ns, quote_offset, _ = self.quote_at[instrument].tolist()
        last = Mark(float(self.last[instrument]), last_ns)
        quote = Mark(float(self.quote[instrument, 0 if long else 1]), quote_ns)
        mark = Mark(float(self.mark[instrument]), int(self.mark_ns[instrument]))
        is_fresh = max(last_ns, quote_ns) - mark.log_ns <= MARK_PRICE_AGE_NS
        if is_fresh and is_near(mark.price, last.price):
            return mark
        if quote_offset >= last_offset and is_near(quote.price, last.price):
            return quote
        if math.isnan(last.price):
            return Mark(float(self.filled[instrument]), int(self.filled_ns[instrument]))
        return last

    def add_fill(self, instrument: int, price: float, log_ns: int) -> None:
        """Note the price of a fill of ours: one that existed."""
        self.filled[instrument], self.filled_ns[instrument] = price, log_ns


def is_near(price: float, last: float) -> bool:
    """Return whether a price is one of the market whose last trade was at `last`, NaN for none."""
    return not math.isnan(price) and not (price > last * ABSURD or price * ABSURD < last)
