"""Boxes: between which prices each instrument stays as long as no row leaves its bounds.

    last 100, bid 99, venue's mark 99.5      candidates for the mark of a long position
    width 0.01                               box 98.01 .. 101

A mark may change without a row beyond a bound: from the quote to the last trade, say. So the box
holds every price that stands now and may become the mark. An interval over prices is an upper and a
lower end of what any marks in the box can give.
"""

import math
from collections.abc import Callable
from decimal import Decimal
from typing import NamedTuple

from tapeflow.operators.desk.marks import ABSURD, MARK_PRICE_AGE_NS, Marks

WIDEST = 0.5  # of a box: so a quote that is 15 times beyond the last trade stays absurd in it


class Interval(NamedTuple):
    """A least and a greatest value; NaN where one cannot be known."""

    low: float
    high: float

    def plus(self, other: "Interval") -> "Interval":
        """Return what the sum can be."""
        return Interval(self.low + other.low, self.high + other.high)

    def times(self, other: "Interval") -> "Interval":
        """Return what the product can be."""
        ends = [one * two for one in self for two in other]
        return Interval(min(ends), max(ends)) if not any(map(math.isnan, ends)) else UNKNOWN

    def scale(self, factor: float) -> "Interval":
        """Return what the product with a number can be."""
        ends = sorted((self.low * factor, self.high * factor))
        return Interval(*ends)

    @property
    def largest(self) -> float:
        """The largest absolute value."""
        return max(abs(self.low), abs(self.high))

    @property
    def is_known(self) -> bool:
        """Whether both ends are numbers."""
        return math.isfinite(self.low) and math.isfinite(self.high)


UNKNOWN = Interval(math.nan, math.nan)
ZERO = Interval(0.0, 0.0)
BoxOf = Callable[..., Interval]  # (number of an instrument, long=) -> its box


def exactly(value: Decimal | float) -> Interval:
    """Return the interval of one value."""
    return Interval(float(value), float(value))


def candidates(marks: Marks, instrument: int, *, long: bool) -> list[float]:
    """Return the prices that stand, and that may be or become the mark of a position."""
    last = float(marks.last[instrument])
    quote = float(marks.quote[instrument, 0 if long else 1])
    mark = float(marks.mark[instrument])
    newest_ns = max(int(marks.last_at[instrument, 0]), int(marks.quote_at[instrument, 0]))
    is_fresh = newest_ns - int(marks.mark_ns[instrument]) <= MARK_PRICE_AGE_NS
    found = [last]
    found += [each for each in (quote, mark if is_fresh else math.nan) if may_be_near(each, last)]
    if math.isnan(last):
        found.append(float(marks.filled[instrument]))
    return [each for each in found if each > 0]


def may_be_near(price: float, last: float) -> bool:
    """Return whether a price may be of a market whose last trade stays within the widest box."""
    if math.isnan(last):
        return price > 0
    return last * (1 - WIDEST) / ABSURD <= price <= last * (1 + WIDEST) * ABSURD


def box(marks: Marks, instrument: int, width: float, *, long: bool) -> Interval:
    """Return the box of an instrument: `width` is a share of the price, below and above."""
    found = candidates(marks, instrument, long=long)
    if not found:
        return UNKNOWN
    return Interval(min(found) * (1 - width), max(found) * (1 + width))
