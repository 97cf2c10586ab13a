"""The width of bars: a span of time, or calendar months."""

from functools import cache
from typing import Any, NamedTuple

import numpy as np

from tapeflow.schemas.columns import Ints

NS_PER_DAY = 86_400_000_000_000
NS_PER_WEEK = 7 * NS_PER_DAY
FIRST_MONDAY_NS = 4 * NS_PER_DAY  # 1970-01-05; 1970 began on a Thursday


class BarWidth(NamedTuple):
    """Where bars begin and end: at multiples of a span from an origin, or by the calendar."""

    span_ns: int  # 0 for months
    origin_ns: int = 0  # a time at which a bar opens
    months: int = 0  # so many, a divisor of 12: a bar opens on the first day of one

    @classmethod
    def of_span(cls, span_ns: int) -> "BarWidth":
        """Return the width of bars that open where a venue's do: those of weeks on Mondays, UTC.

        >>> BarWidth.of_span(7 * NS_PER_DAY).origin_ns == FIRST_MONDAY_NS
        True
        """
        return cls(span_ns, 0 if span_ns % NS_PER_WEEK else FIRST_MONDAY_NS)

    def start_of(self, event_ns: int) -> int:
        """Return the start of the bar that a time is in, in ns.

        >>> BarWidth.of_span(60_000_000_000).start_of(61_000_000_000)
        60000000000
        """
        if self.months:
            starts = self.starts_ns()
            return int(starts[starts.searchsorted(event_ns, "right") - 1])
        return event_ns - (event_ns - self.origin_ns) % self.span_ns

    def starts_ns(self) -> Ints:
        """Return the starts of all bars, where they are by the calendar; else nothing.

        >>> [str(each) for each in BarWidth(0, 0, 3).starts_ns()[:2].astype("datetime64[ns]")]
        ['1970-01-01T00:00:00.000000000', '1970-04-01T00:00:00.000000000']
        """
        return month_starts_ns(self.months)

    def lengths_ns(self) -> Ints:
        """Return the length of each of the bars of `starts_ns`."""
        return month_lengths_ns(self.months)


@cache
def month_starts_ns(months: int) -> Ints:
    """Return the start of each so many months from 1970 to the end of time; of 0 months nothing."""
    starts: Ints = month_starts(months)[:-1].astype("datetime64[ns]").astype(np.int64)
    return starts


@cache
def month_lengths_ns(months: int) -> Ints:
    """Return the length of each of them; the last one ends after the end of time."""
    days = np.diff(month_starts(months).astype("datetime64[D]")).astype(np.int64)
    lengths: Ints = days * NS_PER_DAY
    return lengths


def month_starts(months: int) -> Any:
    """Return the starts as months, and the end of the last one: datetime64[M]."""
    if not months:
        return np.empty(0, "datetime64[M]")
    first, last = np.datetime64("1970-01", "M"), np.datetime64("2262-04", "M")
    return np.arange(first, last + 1 + months, months)
