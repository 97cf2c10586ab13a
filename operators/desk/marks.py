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
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from tapeflow.engine.compiled import compiled, inlined
from tapeflow.schemas.columns import Floats, Ints
from tapeflow.schemas.decimals import PRICE_MAX, PRICE_MIN
from tapeflow.schemas.market import ACCEPTED, MarkPrices, Quotes, Ticks, Trades
from tapeflow.schemas.time import MIN_NS

ABSURD = 10.0  # a quote or mark price so many times above or below the last trade is no market
MARK_PRICE_AGE_NS = 5_000_000_000  # venues send mark prices every 1 or 3 s: one may be missing


class Mark(NamedTuple):
    """A price, and the log time of the tick that it came with."""

    price: float
    log_ns: int


@dataclass(slots=True)
class Marks:
    """The newest released prices, (instruments,) each; NaN where there was none."""

    last: Floats  # of accepted trades
    last_ns: Ints  # log time; offset: of its record. All ticks of an instrument share a partition
    last_offset: Ints
    bid: Floats
    ask: Floats
    quote_ns: Ints
    quote_offset: Ints
    mark: Floats  # the venue's own, of perpetuals
    mark_ns: Ints

    @classmethod
    def empty(cls, instruments: int) -> "Marks":
        """Return marks without a price."""
        return cls(**{name: np.full(instruments, none) for name, none in NONE.items()})

    def update(self, ticks: Ticks) -> bool:
        """Apply the prices of some rows, in their order; return whether one may have changed.

        The tables of a market may come in any order, each in its own.
        """
        where = (ticks.instrument, ticks.log_ns, ticks.offset)
        if isinstance(ticks, Trades):
            last = (self.last, self.last_ns, self.last_offset)
            return bool(update_trades(*last, *where, ticks.verdict, ticks.price) > 0)
        if isinstance(ticks, Quotes):
            quote = (self.bid, self.ask, self.quote_ns, self.quote_offset)
            update_quotes(*quote, *where, ticks.bid, ticks.ask)
        if isinstance(ticks, MarkPrices):
            update_mark_prices(self.mark, self.mark_ns, *where[:2], ticks.mark)
        return True

    def closing_price(self, instrument: int, *, long: bool) -> Mark:
        """Return the price that a position is valued at: the rule is at the head of this file."""
        last = Mark(float(self.last[instrument]), int(self.last_ns[instrument]))
        mark = Mark(float(self.mark[instrument]), int(self.mark_ns[instrument]))
        side = float((self.bid if long else self.ask)[instrument])
        quote = Mark(side, int(self.quote_ns[instrument]))
        newest_ns = max(last.log_ns, quote.log_ns)
        if is_near(mark.price, last.price) and newest_ns - mark.log_ns <= MARK_PRICE_AGE_NS:
            return mark
        is_newer = self.quote_offset[instrument] >= self.last_offset[instrument]
        return quote if is_newer and is_near(side, last.price) else last


NONE: dict[str, Any] = {  # by field of Marks: its value before the first tick
    "last": math.nan, "last_ns": MIN_NS, "last_offset": -1,
    "bid": math.nan, "ask": math.nan, "quote_ns": MIN_NS, "quote_offset": -1,
    "mark": math.nan, "mark_ns": MIN_NS,
}  # fmt: skip


def is_near(price: float, last: float) -> bool:
    """Return whether a price is one of the market whose last trade was at `last`, NaN for none."""
    return not math.isnan(price) and not (price > last * ABSURD or price * ABSURD < last)


@compiled
def update_trades(  # a kernel takes plain arrays
    last: Floats,
    last_ns: Ints,
    last_offset: Ints,
    instrument: Ints,
    log_ns: Ints,
    offset: Ints,
    verdict: Ints,
    price: Floats,
) -> int:
    """Write the last accepted trade of each instrument; return how many trades were accepted."""
    accepted = 0
    for row in range(len(verdict)):
        if verdict[row] == ACCEPTED:
            code = instrument[row]
            last[code] = price[row]
            last_ns[code] = log_ns[row]
            last_offset[code] = offset[row]
            accepted += 1
    return accepted


@inlined
def is_in_range(price: float) -> bool:
    """Return whether a price is in [PRICE_MIN, PRICE_MAX); NaN is not."""
    return PRICE_MIN <= price < PRICE_MAX


@inlined
def is_empty(price: float) -> bool:
    """Return whether this is how a venue writes that there is no price: nothing, or zero."""
    return math.isnan(price) or price == 0.0


@compiled
def update_quotes(
    bid: Floats,
    ask: Floats,
    quote_ns: Ints,
    quote_offset: Ints,
    instrument: Ints,
    log_ns: Ints,
    offset: Ints,
    bids: Floats,
    asks: Floats,
) -> None:
    """Write the last quote of each instrument that is one of a market; an empty side is NaN."""
    for row in range(len(bids)):
        low, high = bids[row], asks[row]
        if not (is_empty(low) or is_in_range(low)) or not (is_empty(high) or is_in_range(high)):
            continue
        if low > high and not is_empty(high):
            continue  # crossed
        code = instrument[row]
        bid[code] = math.nan if is_empty(low) else low
        ask[code] = math.nan if is_empty(high) else high
        quote_ns[code] = log_ns[row]
        quote_offset[code] = offset[row]


@compiled
def update_mark_prices(
    mark: Floats, mark_ns: Ints, instrument: Ints, log_ns: Ints, marks: Floats
) -> None:
    """Write the last mark price of each instrument; an empty one says that there is none now."""
    for row in range(len(marks)):
        price = marks[row]
        if is_empty(price) or is_in_range(price):
            mark[instrument[row]] = math.nan if is_empty(price) else price
            mark_ns[instrument[row]] = log_ns[row]
