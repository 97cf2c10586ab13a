"""Intervals of log time in which the results of variants are added up, however long the log is.

    samples of equity   s s s s s s s s s        interval 1 s ─▶ 5 s ─▶ 25 s ─▶ .. ─▶ 1 day
    intervals           |   |   |   |  ..        the next longer one, once there are too many

Each length divides the next and all divide a day, so intervals of any length end where days end.
All arrays are by variant; money is in whole units of the least step of money.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np

from tapeflow.schemas.decimals import DECIMAL_CONTEXT
from tapeflow.schemas.time import MAX_NS, NS_PER_SECOND
from tapeflow.schemas.variants import VariantInterval

LENGTHS_NS: tuple[int, ...] = tuple(
    each * NS_PER_SECOND for each in (1, 5, 25, 75, 225, *(675 * 2**power for power in range(8)))
)
DAY_NS = LENGTHS_NS[-1]
INTERVALS_MAX = 256
Array = np.ndarray[Any, np.dtype[Any]]  # of int64, or of Python's numbers where they are larger


class Totals(NamedTuple):
    """The sums of variants since the log began."""

    trades: Array
    turnover: Array
    fees: Array


@dataclass(slots=True)
class Interval:
    """The samples of all variants in one interval."""

    number: int  # of log time since 1970, in lengths
    high: Array
    low: Array
    drawdown: Array
    equity: Array
    totals: Totals  # at its end

    def join(self, later: "Interval") -> None:
        """Add the interval after this one."""
        fall = np.maximum(self.drawdown, self.high - later.low)
        self.drawdown = np.maximum(fall, later.drawdown)
        self.high, self.low = np.maximum(self.high, later.high), np.minimum(self.low, later.low)
        self.equity, self.totals = later.equity, later.totals


@dataclass(slots=True)
class Track:
    """The intervals of some variants, in order; those without a sample are left out."""

    length_ns: int
    intervals: list[Interval] = field(default_factory=list)

    def sample(self, time_ns: int, equity: Array, totals: Totals) -> None:
        """Add a sample of equity of all that lies before a log time; the arrays become its own."""
        number = (time_ns - 1) // self.length_ns
        if not self.intervals or self.intervals[-1].number != number:
            before = self.intervals[-1].equity if self.intervals else equity * 0
            nothing = equity * 0
            self.intervals.append(Interval(number, before, before, nothing, before, totals))
            self.shorten(number)
        last = self.intervals[-1]
        last.high = np.maximum(last.high, equity)
        last.low = np.minimum(last.low, equity)
        last.drawdown = np.maximum(last.drawdown, last.high - equity)
        last.equity, last.totals = equity, totals

    def shorten(self, number: int) -> None:
        """Take the next longer interval where there would be too many since the first sample."""
        first = self.intervals[0].number
        while number - first >= INTERVALS_MAX and self.length_ns < DAY_NS:
            longer = LENGTHS_NS[LENGTHS_NS.index(self.length_ns) + 1]
            self.lengthen(longer)
            first, number = self.intervals[0].number, self.intervals[-1].number

    def lengthen(self, length_ns: int) -> None:
        """Join the intervals that one of this length holds."""
        ratio = length_ns // self.length_ns
        joined: list[Interval] = []
        for each in self.intervals:
            each.number //= ratio
            if joined and joined[-1].number == each.number:
                joined[-1].join(each)
            else:
                joined.append(each)
        self.intervals, self.length_ns = joined, length_ns

    def fit(self, begin_ns: int, end_ns: int) -> None:
        """Take the length that makes no more than INTERVALS_MAX intervals of the whole log."""
        fitting = fit_length_ns(self.length_ns, begin_ns, end_ns)
        if self.length_ns < fitting:
            self.lengthen(fitting)

    def rows(
        self, names: tuple[str, ...], begin_ns: int, end_ns: int, digits: int
    ) -> Iterator[VariantInterval]:
        """Yield the intervals of each variant over a log from its begin to its end.

        The first begins with the log and the last ends with it; money has so many `digits`.
        """
        if begin_ns == MAX_NS:  # a log without a record
            yield from (
                VariantInterval(name, 0, 0, 0, *[as_money(0, digits)] * 6) for name in names
            )
            return
        self.fit(begin_ns, end_ns)
        for number, name in enumerate(names):
            first_end_ns = (begin_ns // self.length_ns + 1) * self.length_ns
            if self.intervals[0].number * self.length_ns >= first_end_ns:  # it had no sample yet
                yield VariantInterval(name, begin_ns, first_end_ns, 0, *[as_money(0, digits)] * 6)
            before = (0, 0, 0)
            for each in self.intervals:
                totals = tuple(int(total[number]) for total in each.totals)
                trades, *money = (now - past for now, past in zip(totals, before, strict=True))
                before = totals  # type: ignore[assignment]  # three of them
                columns = (each.equity, each.high, each.low, each.drawdown)
                money += [int(column[number]) for column in columns]
                yield VariantInterval(
                    name,
                    max(each.number * self.length_ns, begin_ns),
                    min((each.number + 1) * self.length_ns, end_ns),
                    trades,
                    *(as_money(amount, digits) for amount in money),
                )


def fit_length_ns(sample_ns: int, begin_ns: int, end_ns: int) -> int:
    """Return the length of the intervals of a log: they hold a sample, and are not too many."""
    for length_ns in LENGTHS_NS:
        count = (end_ns - 1) // length_ns - begin_ns // length_ns + 1
        if length_ns >= sample_ns and count <= INTERVALS_MAX:
            return length_ns
    return DAY_NS


def first_length_ns(sample_ns: int) -> int:
    """Return the least length that holds a sample of equity."""
    return fit_length_ns(sample_ns, 0, 1)


def as_money(units: int, digits: int) -> Decimal:
    """Return an amount of units of the least step of money.

    >>> as_money(-1250, 2)
    Decimal('-12.50')
    """
    return DECIMAL_CONTEXT.scaleb(Decimal(units), -digits)


def as_units(amount: Decimal, digits: int) -> int:
    """Return an amount in units of the least step of money.

    >>> as_units(Decimal("-12.5"), 2)
    -1250
    """
    return int(DECIMAL_CONTEXT.scaleb(amount, digits))
