"""Follow the funding terms in mark price rows, and find when a payment is due.

    mark price row    rate 0.0001 next 16:00 │ rate 0.0001 next 16:00 │ rate 0.0002 next 00:00
                                             │                        │ due: 0.0001, of 16:00,
                                                                        at the mark before

The first row that names a later time than the one before makes due what was said of the earlier
time. A time that is put off before it has come is no payment.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np
from msgspec import Struct

from tapeflow.engine.compiled import by_numbers, compiled
from tapeflow.operators.desk.mark_kernels import is_none_or_in_range, nan_if_empty
from tapeflow.schemas.columns import Bools, Floats, Ints, Written
from tapeflow.schemas.desk_market import DeskMarkPrices
from tapeflow.schemas.time import NO_TIME, LogPosition

LEEWAY_NS = 60_000_000_000  # by so much the clock of the log may be behind the venue's


class FundingDue(Struct, frozen=True, order=True):
    """A payment that is due on every position in an instrument."""

    position: LogPosition  # of the row that says so
    instrument: int  # its number
    due_ns: int  # the venue's time
    next_ns: int  # of the next payment
    rate: float  # NaN: the venue said none
    mark: float  # the last one before the row; NaN: it was none


@dataclass(slots=True)
class FundingTerms:
    """Newest funding terms of each instrument, by its number; changed in place."""

    next_ns: Ints  # NO_TIME: nothing yet
    rate: Floats
    mark: Floats  # of the same row; NaN where it is no price

    @classmethod
    def empty(cls, instruments: int) -> "FundingTerms":
        """Return terms of which nothing was said."""
        none = np.full(instruments, math.nan)
        return cls(np.full(instruments, NO_TIME, np.int64), none, none.copy())

    def columns(self) -> tuple[Ints | Floats, ...]:
        """Return the arrays, in the order of the fields."""
        return tuple(getattr(self, each.name) for each in fields(self))

    def pass_rows(self, rows: DeskMarkPrices, begin: int) -> int:
        """Take in rows from `begin` on; return the number of the first that makes a payment due.

        That row is taken in by `take_due`. Without one it is the number of rows.
        """
        prices = (rows.mark, rows.funding_rate, rows.funding_ns)
        state = (self.next_ns, self.rate, self.mark)
        return pass_terms(rows.instrument, rows.log_ns, *prices, begin, *state)

    def take_in(self, rows: DeskMarkPrices, partition: str) -> Iterator[FundingDue]:
        """Take in rows of a partition, and yield the payments that they make due."""
        row = self.pass_rows(rows, 0)
        while row < len(rows):
            yield self.take_due(rows, row, partition)
            row = self.pass_rows(rows, row + 1)

    def take_due(self, rows: DeskMarkPrices, row: int, partition: str) -> FundingDue:
        """Return the payment that a row makes due, and take in the row."""
        number = int(rows.instrument[row])
        due = FundingDue(
            position=(int(rows.log_ns[row]), partition, int(rows.offset[row])),
            instrument=number,
            due_ns=int(self.next_ns[number]),
            next_ns=int(rows.funding_ns[row]),
            rate=float(self.rate[number]),
            mark=float(self.mark[number]),
        )
        self.next_ns[number] = NO_TIME  # so that the row is one like any other
        self.pass_rows(rows.take(np.array([row])), 0)
        return due


@compiled
@by_numbers
def pass_terms(  # noqa: PLR0913, PLR0917  # a kernel takes plain arrays
    instrument: Ints,
    log_ns: Ints,
    mark: Floats,
    funding_rate: Floats,
    funding_ns: Ints,
    begin: int,
    next_ns: Written[Ints],
    rate: Written[Floats],
    last_mark: Written[Floats],
) -> int:
    """Write what rows say of funding, up to the first that makes a payment due; return its number.

    The last three are the state, by instrument; the others are by row.
    """
    for row in range(begin, len(instrument)):
        number = instrument[row]
        if funding_ns[row] <= 0:
            continue
        has_come = log_ns[row] >= next_ns[number] - LEEWAY_NS
        if has_come and funding_ns[row] > next_ns[number] > 0:
            return row
        price = nan_if_empty(mark[row])
        next_ns[number], rate[number] = funding_ns[row], funding_rate[row]
        last_mark[number] = price if is_none_or_in_range(price) else math.nan
    return len(instrument)


@compiled
@by_numbers
def rows_of_funding(
    instrument: Ints, funding_ns: Ints, last_row: Written[Ints], wanted: Written[Bools]
) -> None:
    """Mark the rows of an instrument that funding depends on: both sides of a change of its time.

    The first and the last row may be such sides. `last_row` is by instrument, -1 in all.
    """
    for row in range(len(instrument)):
        number = instrument[row]
        before, last_row[number] = last_row[number], row
        if before < 0 or funding_ns[row] != funding_ns[before]:
            wanted[row] = True
            if before >= 0:
                wanted[before] = True
    for number in range(len(last_row)):
        if last_row[number] >= 0:
            wanted[last_row[number]] = True
