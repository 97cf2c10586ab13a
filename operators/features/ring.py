"""What folds share: their row of numbers, rings of the last values, chained averages.

    known     instrument 0   bars so far | numbers, rings of the fold's own
              instrument 1   ..                            zeros at first

    ring of 3, at column 1      bar 5 goes to 1 + (5 - 1) % 3, the oldest is at 1 + 5 % 3

All are code within a kernel: they get an array and pass none on. Sums are over the window, made
anew at each bar: a running sum would remember, as an error, every large value it has ever seen.
"""

# What an index of an array gives is Any:
# mypy: disable-error-code="no-any-return"

import math

from tapeflow.engine.compiled import inlined
from tapeflow.schemas.columns import Bools, Floats2, Ints, Written

Known = Written[Floats2]  # (instruments, width)
Out = Written[Floats2]  # (outputs, bars)

BARS = 0  # column of a fold's row: bars so far, with the one at hand


@inlined
def begin_bar(known: Floats2, instrument: Ints, anew: Bools, row: int) -> int:
    """Return the number of the instrument of a bar, whose row has counted it.

    Where the bar begins `anew`, the row is cleared first.
    """
    number = instrument[row]
    if anew[row]:
        for at in range(known.shape[1]):
            known[number, at] = 0.0
    known[number, BARS] += 1
    return number


@inlined
def push(known: Floats2, number: int, at: int, size: int, value: float) -> None:
    """Write the value of the bar at hand into a ring, over the oldest."""
    known[number, at + (int(known[number, BARS]) - 1) % size] = value


@inlined
def mean_of(known: Floats2, number: int, at: int, size: int) -> float:
    """Return the mean of a full ring.

    Of distances to one of its values: where all are the same, it is that value exactly.
    """
    base, total = known[number, at], 0.0
    for each in range(at, at + size):
        total += known[number, each] - base
    return base + total / size


@inlined
def sum_of(known: Floats2, number: int, at: int, size: int) -> float:
    """Return the sum of a ring; what is not yet written counts as 0."""
    total = 0.0
    for each in range(at, at + size):
        total += known[number, each]
    return total


@inlined
def squares_of(known: Floats2, number: int, at: int, size: int, mean: float) -> float:
    """Return the sum of the squared distances of a ring's values to their mean."""
    total = 0.0
    for each in range(at, at + size):
        off = known[number, each] - mean
        total += off * off
    return total


@inlined
def highest(known: Floats2, number: int, at: int, size: int) -> float:
    """Return the largest value of a full ring."""
    found = known[number, at]
    for each in range(at + 1, at + size):
        found = max(found, known[number, each])
    return found


@inlined
def lowest(known: Floats2, number: int, at: int, size: int) -> float:
    """Return the smallest value of a full ring."""
    found = known[number, at]
    for each in range(at + 1, at + size):
        found = min(found, known[number, each])
    return found


@inlined
def smooth(known: Floats2, number: int, at: int, period: int, value: float) -> float:
    """Add a value to an exponential average, and return it: NaN before its first.

    It keeps two numbers, from column `at` on: values so far, and the average, which is a sum until
    it is seeded with the mean of the first `period` values. NaN is no value.
    """
    if math.isnan(value):
        return math.nan
    known[number, at] += 1
    if known[number, at] > period:
        known[number, at + 1] += 2.0 / (period + 1) * (value - known[number, at + 1])
        return known[number, at + 1]
    known[number, at + 1] += value
    if known[number, at] < period:
        return math.nan
    known[number, at + 1] /= period
    return known[number, at + 1]


@inlined
def smooth_slowly(known: Floats2, number: int, at: int, period: int, value: float) -> float:
    """Add a value to an average of Wilder, and return it: NaN before its first; as `smooth`."""
    known[number, at] += 1
    if known[number, at] > period:
        known[number, at + 1] = (known[number, at + 1] * (period - 1) + value) * (1.0 / period)
        return known[number, at + 1]
    known[number, at + 1] += value
    if known[number, at] < period:
        return math.nan
    known[number, at + 1] *= 1.0 / period
    return known[number, at + 1]


@inlined
def true_range(high: float, low: float, before: float) -> float:
    """Return the range of a bar, with the close before it."""
    return max(high - low, abs(high - before), abs(low - before))
