"""Trend: whether prices trend, and which way."""

import math

from tapeflow.engine.compiled import by_numbers, compiled
from tapeflow.operators.features.fold import Fold, bars, real
from tapeflow.operators.features.ring import (
    BARS,
    Known,
    Out,
    begin_bar,
    mean_of,
    push,
    smooth,
    true_range,
)
from tapeflow.operators.features.wilder import (
    AVERAGE,
    CLOSE,
    DOWN,
    HIGH,
    LOW,
    RANGE,
    UP,
    WEIGHT,
    follow_stop,
    write_index,
)
from tapeflow.schemas.columns import Bools, Floats, Ints

RING = 1
A, B, C, THIRD = 1, 3, 5, 7  # of trix


@compiled
@by_numbers
def adx(
    known: Known,
    instrument: Ints,
    anew: Bools,
    high: Floats,
    low: Floats,
    close: Floats,
    out: Out,
    period: int,
) -> None:
    """Write Wilder's directional movement: adx, dx, plus_di and minus_di.

    di = 100 movement / true range, both sums of Wilder; dx = 100 |plus - minus| / (plus + minus);
    adx is Wilder's average of dx. Source: Wilder, New Concepts, 1978.
    """
    for row in range(len(close)):
        number = begin_bar(known, instrument, anew, row)
        for each in range(4):
            out[each, row] = math.nan
        up, down = high[row] - known[number, HIGH], known[number, LOW] - low[row]
        spread = true_range(high[row], low[row], known[number, CLOSE])
        known[number, HIGH], known[number, LOW] = high[row], low[row]
        known[number, CLOSE] = close[row]
        count = known[number, BARS]
        if count < 2:
            continue
        if count > period:
            for at in range(RANGE, DOWN + 1):
                known[number, at] -= known[number, at] / period
        known[number, RANGE] += spread
        known[number, UP] += up if up > down and up > 0 else 0.0
        known[number, DOWN] += down if down > up and down > 0 else 0.0
        if count > period:
            write_index(known, number, out, row, period)


@compiled
@by_numbers
def sar(
    known: Known,
    instrument: Ints,
    anew: Bools,
    high: Floats,
    low: Floats,
    out: Out,
    step: float,
    most: float,
) -> None:
    """Write Wilder's parabolic stop, from which a position is turned.

    sar += a (extreme - sar), a rises by `step` at each new extreme, up to `most`; never within the
    last two bars. Source: Wilder, New Concepts, 1978.
    """
    for row in range(len(high)):
        number = begin_bar(known, instrument, anew, row)
        out[0, row] = follow_stop(known, number, high[row], low[row], step, most)


@compiled
@by_numbers
def aroon(
    known: Known, instrument: Ints, anew: Bools, high: Floats, low: Floats, out: Out, period: int
) -> None:
    """Write how old the extremes of `period` + 1 bars are: up, down, and osc, up - down.

    100 (period - age) / period, of the last highest high and the last lowest low.
    Source: Chande, 1995.
    """
    size = period + 1
    lows = RING + size
    for row in range(len(high)):
        number = begin_bar(known, instrument, anew, row)
        push(known, number, RING, size, high[row])
        push(known, number, lows, size, low[row])
        for each in range(3):
            out[each, row] = math.nan
        count = int(known[number, BARS])
        if count < size:
            continue
        top, bottom = high[row], low[row]
        top_age, bottom_age = 0, 0
        for age in range(1, size):
            at = (count - 1 - age) % size
            if known[number, RING + at] > top:
                top, top_age = known[number, RING + at], age
            if known[number, lows + at] < bottom:
                bottom, bottom_age = known[number, lows + at], age
        out[0, row] = 100.0 * (period - top_age) / period
        out[1, row] = 100.0 * (period - bottom_age) / period
        out[2, row] = 100.0 * (bottom_age - top_age) / period


@compiled
@by_numbers
def trix(known: Known, instrument: Ints, anew: Bools, close: Floats, out: Out, period: int) -> None:
    """Write the change of the triple `ema` of closes in percent: 100 (e3 / e3 before - 1).

    Source: Hutson, Good TRIX, 1983.
    """
    for row in range(len(close)):
        number = begin_bar(known, instrument, anew, row)
        first = smooth(known, number, A, period, close[row])
        second = smooth(known, number, B, period, first)
        third = smooth(known, number, C, period, second)
        before = known[number, THIRD]
        out[0, row] = math.nan
        if known[number, C] > period:
            out[0, row] = (third / before - 1.0) * 100.0 if before != 0 else 0.0
        if not math.isnan(third):
            known[number, THIRD] = third


@compiled
@by_numbers
def linreg(
    known: Known, instrument: Ints, anew: Bools, close: Floats, out: Out, period: int
) -> None:
    """Write the line of least squares through `period` closes: its end, slope, and r squared."""
    middle = (period - 1) / 2
    spread = period * (period * period - 1.0) / 12
    for row in range(len(close)):
        number = begin_bar(known, instrument, anew, row)
        push(known, number, RING, period, close[row])
        for each in range(3):
            out[each, row] = math.nan
        count = int(known[number, BARS])
        if count >= period:
            mean, products, squares = mean_of(known, number, RING, period), 0.0, 0.0
            for age in range(period):
                off = known[number, RING + (count + age) % period] - mean
                products += (age - middle) * off
                squares += off * off
            slope = products / spread
            out[0, row] = mean + slope * middle
            out[1, row] = slope
            out[2, row] = slope * products / squares if squares > 0 else math.nan


FOLDS = {
    "adx": Fold(
        adx,
        lambda period: AVERAGE + 1,
        {"period": bars(14, 2)},
        ("adx", "dx", "plus_di", "minus_di"),
    ),
    "sar": Fold(sar, lambda **_: WEIGHT + 1, {"step": real(0.02, 0, 1), "most": real(0.2, 0, 1)}),
    "aroon": Fold(
        aroon, lambda period: RING + 2 * period + 2, {"period": bars(14, 2)}, ("up", "down", "osc")
    ),
    "trix": Fold(trix, lambda period: THIRD + 1, {"period": bars(18)}),
    "linreg": Fold(
        linreg, lambda period: RING + period, {"period": bars(14, 2)}, ("end", "slope", "r2")
    ),
}
