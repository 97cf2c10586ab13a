"""How far prices move: ranges, deviations, and bands of them."""

import math

from tapeflow.engine.compiled import by_numbers, compiled
from tapeflow.operators.features.fold import Fold, bars, real
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
    smooth_slowly,
    squares_of,
    true_range,
)
from tapeflow.schemas.columns import Bools, Floats, Ints

CLOSE, RANGE, MIDDLE = 1, 2, 4  # the close before; columns of averages
RING = 1


@compiled
@by_numbers
def tr(
    known: Known, instrument: Ints, anew: Bools, high: Floats, low: Floats, close: Floats, out: Out
) -> None:
    """Write the true range: the largest of high - low, |high - close before|, |low - .. |."""
    for row in range(len(close)):
        number = begin_bar(known, instrument, anew, row)
        out[0, row] = math.nan
        if known[number, BARS] >= 2:
            out[0, row] = true_range(high[row], low[row], known[number, CLOSE])
        known[number, CLOSE] = close[row]


@compiled
@by_numbers
def atr(
    known: Known,
    instrument: Ints,
    anew: Bools,
    high: Floats,
    low: Floats,
    close: Floats,
    out: Out,
    period: int,
) -> None:
    """Write Wilder's average of the true range, in price, and `percent` of the close.

    Of one bar it is the true range; TA-Lib's NATR is no percentage there.
    Source: Wilder, New Concepts, 1978.
    """
    for row in range(len(close)):
        number = begin_bar(known, instrument, anew, row)
        out[0, row] = out[1, row] = math.nan
        if known[number, BARS] >= 2:
            span = true_range(high[row], low[row], known[number, CLOSE])
            out[0, row] = smooth_slowly(known, number, RANGE, period, span)
            out[1, row] = out[0, row] / close[row] * 100.0 if close[row] != 0 else 0.0
        known[number, CLOSE] = close[row]


@compiled
@by_numbers
def stddev(
    known: Known, instrument: Ints, anew: Bools, close: Floats, out: Out, period: int
) -> None:
    """Write the standard deviation of `period` closes, of the population, in two passes."""
    for row in range(len(close)):
        number = begin_bar(known, instrument, anew, row)
        push(known, number, RING, period, close[row])
        out[0, row] = math.nan
        if known[number, BARS] >= period:
            mean = mean_of(known, number, RING, period)
            out[0, row] = math.sqrt(squares_of(known, number, RING, period, mean) / period)


@compiled
@by_numbers
def bbands(
    known: Known,
    instrument: Ints,
    anew: Bools,
    close: Floats,
    out: Out,
    period: int,
    factor: float,
) -> None:
    """Write Bollinger's bands: `sma`, and `factor` times `stddev` above and below it.

    percent_b is the place of the close between them, 0 at the lower one, 1 at the upper one.
    Source: Bollinger, Bollinger on Bollinger Bands, 2001.
    """
    for row in range(len(close)):
        number = begin_bar(known, instrument, anew, row)
        push(known, number, RING, period, close[row])
        for each in range(4):
            out[each, row] = math.nan
        if known[number, BARS] >= period:
            mean = mean_of(known, number, RING, period)
            width = factor * math.sqrt(squares_of(known, number, RING, period, mean) / period)
            out[0, row], out[1, row], out[2, row] = mean + width, mean, mean - width
            if width > 0:
                out[3, row] = (close[row] - mean + width) / (2 * width)


@compiled
@by_numbers
def keltner(
    known: Known,
    instrument: Ints,
    anew: Bools,
    high: Floats,
    low: Floats,
    close: Floats,
    out: Out,
    period: int,
    range_period: int,
    factor: float,
) -> None:
    """Write Keltner's channel: `ema` of `period`, and `factor` times `atr` of `range_period`.

    Source: Keltner, How to Make Money in Commodities, 1960; with the true range: Raschke.
    """
    for row in range(len(close)):
        number = begin_bar(known, instrument, anew, row)
        middle, width = smooth(known, number, MIDDLE, period, close[row]), math.nan
        if known[number, BARS] >= 2:
            span = true_range(high[row], low[row], known[number, CLOSE])
            width = factor * smooth_slowly(known, number, RANGE, range_period, span)
        known[number, CLOSE] = close[row]
        out[0, row] = middle + width
        out[1, row] = math.nan if math.isnan(width) else middle
        out[2, row] = middle - width


@compiled
@by_numbers
def donchian(
    known: Known, instrument: Ints, anew: Bools, high: Floats, low: Floats, out: Out, period: int
) -> None:
    """Write Donchian's channel: highest high, its middle, lowest low of `period` bars.

    The bar at hand is one of them.
    """
    for row in range(len(high)):
        number = begin_bar(known, instrument, anew, row)
        push(known, number, RING, period, high[row])
        push(known, number, RING + period, period, low[row])
        for each in range(3):
            out[each, row] = math.nan
        if known[number, BARS] >= period:
            top = highest(known, number, RING, period)
            bottom = lowest(known, number, RING + period, period)
            out[0, row], out[1, row], out[2, row] = top, (top + bottom) / 2, bottom


BANDS = ("upper", "middle", "lower")
KELTNER = {"period": bars(20), "range_period": bars(10), "factor": real(2.0, 0, 100)}
FOLDS = {
    "tr": Fold(tr, lambda: CLOSE + 1),
    "atr": Fold(atr, lambda period: RANGE + 2, {"period": bars(14)}, ("atr", "percent")),
    "stddev": Fold(stddev, lambda period: RING + period, {"period": bars(20, 2)}),
    "bbands": Fold(
        bbands,
        lambda period, factor: RING + period,
        {"period": bars(20, 2), "factor": real(2.0, 0, 100)},
        (*BANDS, "percent_b"),
    ),
    "keltner": Fold(keltner, lambda **_: MIDDLE + 2, KELTNER, BANDS),
    "donchian": Fold(donchian, lambda period: RING + 2 * period, {"period": bars(20, 2)}, BANDS),
}
