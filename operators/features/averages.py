"""Averages of the last prices."""

import math

from tapeflow.engine.compiled import by_numbers, compiled
from tapeflow.operators.features.fold import Fold, bars
from tapeflow.operators.features.ring import (
    BARS,
    Known,
    Out,
    begin_bar,
    highest,
    lowest,
    mean_of,
    push,
    smooth,
)
from tapeflow.schemas.columns import Bools, Floats, Ints

RING = 1  # first column of a ring, or of the first of several
AVERAGE = 1  # two columns
KAMA, KAMA_RING = 1, 2
FASTEST, SLOWEST = 2.0 / 3.0, 2.0 / 31.0  # weights of averages of 2 and of 30 bars


@compiled
@by_numbers
def sma(known: Known, instrument: Ints, anew: Bools, close: Floats, out: Out, period: int) -> None:
    """Write the mean of closes: sum of `period` closes / period."""
    for row in range(len(close)):
        number = begin_bar(known, instrument, anew, row)
        push(known, number, RING, period, close[row])
        out[0, row] = math.nan
        if known[number, BARS] >= period:
            out[0, row] = mean_of(known, number, RING, period)


@compiled
@by_numbers
def ema(known: Known, instrument: Ints, anew: Bools, close: Floats, out: Out, period: int) -> None:
    """Write the exponential average of closes.

    ema += 2 / (period + 1) * (close - ema), from the mean of the first `period` closes on.
    """
    for row in range(len(close)):
        number = begin_bar(known, instrument, anew, row)
        out[0, row] = smooth(known, number, AVERAGE, period, close[row])


@compiled
@by_numbers
def wma(known: Known, instrument: Ints, anew: Bools, close: Floats, out: Out, period: int) -> None:
    """Write the mean of closes with weights 1, 2, .., `period` from the oldest on."""
    for row in range(len(close)):
        number = begin_bar(known, instrument, anew, row)
        push(known, number, RING, period, close[row])
        out[0, row] = math.nan
        count = int(known[number, BARS])
        if count >= period:
            total = 0.0
            for age in range(period):
                total += (age + 1) * known[number, RING + (count + age) % period]
            out[0, row] = total / (period * (period + 1) / 2)


@compiled
@by_numbers
def trima(
    known: Known, instrument: Ints, anew: Bools, close: Floats, out: Out, period: int
) -> None:
    """Write the mean of closes with weights that rise to the middle of the window, and fall."""
    for row in range(len(close)):
        number = begin_bar(known, instrument, anew, row)
        push(known, number, RING, period, close[row])
        out[0, row] = math.nan
        count = int(known[number, BARS])
        if count >= period:
            total, weights = 0.0, 0
            for age in range(period):
                weight = min(age + 1, period - age)
                weights += weight
                total += weight * known[number, RING + (count + age) % period]
            out[0, row] = total / weights


@compiled
@by_numbers
def kama(known: Known, instrument: Ints, anew: Bools, close: Floats, out: Out, period: int) -> None:
    """Write Kaufman's average, which follows closes the faster the straighter they go.

    kama += a^2 (close - kama), a = r (2/3 - 2/31) + 2/31, r = |change over `period` bars| / sum of
    |changes|. Source: Kaufman, Smarter Trading, 1995.
    """
    size = period + 1
    for row in range(len(close)):
        number = begin_bar(known, instrument, anew, row)
        push(known, number, KAMA_RING, size, close[row])
        count = int(known[number, BARS])
        if count < size:
            known[number, KAMA] = close[row]
            out[0, row] = math.nan
            continue
        first = known[number, KAMA_RING + count % size]
        before, noise = first, 0.0
        for age in range(1, size):
            value = known[number, KAMA_RING + (count + age) % size]
            noise += abs(value - before)
            before = value
        change = abs(close[row] - first)
        ratio = change / noise if noise > change else 1.0
        weight = ratio * (FASTEST - SLOWEST) + SLOWEST
        known[number, KAMA] += weight * weight * (close[row] - known[number, KAMA])
        out[0, row] = known[number, KAMA]


@compiled
@by_numbers
def midprice(
    known: Known, instrument: Ints, anew: Bools, high: Floats, low: Floats, out: Out, period: int
) -> None:
    """Write the middle of the highest high and the lowest low of `period` bars."""
    for row in range(len(high)):
        number = begin_bar(known, instrument, anew, row)
        push(known, number, RING, period, high[row])
        push(known, number, RING + period, period, low[row])
        out[0, row] = math.nan
        if known[number, BARS] >= period:
            top = highest(known, number, RING, period)
            out[0, row] = (top + lowest(known, number, RING + period, period)) / 2


FOLDS = {
    "sma": Fold(sma, lambda period: RING + period, {"period": bars(20)}),
    "ema": Fold(ema, lambda period: AVERAGE + 2, {"period": bars(20)}),
    "wma": Fold(wma, lambda period: RING + period, {"period": bars(20)}),
    "trima": Fold(trima, lambda period: RING + period, {"period": bars(20)}),
    "kama": Fold(kama, lambda period: KAMA_RING + period + 1, {"period": bars(20, 2)}),
    "midprice": Fold(midprice, lambda period: RING + 2 * period, {"period": bars(14, 2)}),
}
