"""Prices together with what was traded at them."""

import math

from tapeflow.engine.compiled import by_numbers, compiled, inlined
from tapeflow.operators.features.fold import Fold, bars
from tapeflow.operators.features.ring import BARS, Known, Out, begin_bar, push, sum_of
from tapeflow.schemas.columns import Bools, Floats, Ints

LAST, TOTAL, FAST, SLOW = 1, 2, 3, 4
RING = 1


@inlined
def accumulate(high: float, low: float, close: float, volume: float) -> float:
    """Return the volume of a bar, times where in its range it closed: 1 at the top, -1 below."""
    return ((close - low) - (high - close)) / (high - low) * volume if high > low else 0.0


@compiled
@by_numbers
def obv(
    known: Known, instrument: Ints, anew: Bools, close: Floats, volume: Floats, out: Out
) -> None:
    """Write the on-balance volume: volume of bars that rose, less that of bars that fell.

    Source: Granville, New Key to Stock Market Profits, 1963.
    """
    for row in range(len(close)):
        number = begin_bar(known, instrument, anew, row)
        if known[number, BARS] == 1 or close[row] > known[number, LAST]:
            known[number, TOTAL] += volume[row]
        elif close[row] < known[number, LAST]:
            known[number, TOTAL] -= volume[row]
        known[number, LAST] = close[row]
        out[0, row] = known[number, TOTAL]


@compiled
@by_numbers
def ad(
    known: Known,
    instrument: Ints,
    anew: Bools,
    high: Floats,
    low: Floats,
    close: Floats,
    volume: Floats,
    out: Out,
) -> None:
    """Write Chaikin's line: the sum of volume ((close - low) - (high - close)) / (high - low)."""
    for row in range(len(close)):
        number = begin_bar(known, instrument, anew, row)
        known[number, TOTAL] += accumulate(high[row], low[row], close[row], volume[row])
        out[0, row] = known[number, TOTAL]


@compiled
@by_numbers
def adosc(
    known: Known,
    instrument: Ints,
    anew: Bools,
    high: Floats,
    low: Floats,
    close: Floats,
    volume: Floats,
    out: Out,
    fast: int,
    slow: int,
) -> None:
    """Write Chaikin's oscillator: the distance of two exponential averages of `ad`.

    Both begin at the first value of `ad`.
    """
    for row in range(len(close)):
        number = begin_bar(known, instrument, anew, row)
        known[number, TOTAL] += accumulate(high[row], low[row], close[row], volume[row])
        total = known[number, TOTAL]
        if known[number, BARS] == 1:
            known[number, FAST] = known[number, SLOW] = total
        known[number, FAST] += 2.0 / (fast + 1) * (total - known[number, FAST])
        known[number, SLOW] += 2.0 / (slow + 1) * (total - known[number, SLOW])
        out[0, row] = math.nan
        if known[number, BARS] >= slow:
            out[0, row] = known[number, FAST] - known[number, SLOW]


@compiled
@by_numbers
def mfi(
    known: Known,
    instrument: Ints,
    anew: Bools,
    high: Floats,
    low: Floats,
    close: Floats,
    volume: Floats,
    out: Out,
    period: int,
) -> None:
    """Write the money flow index: 100 p / (p + n), flows t * volume of bars in which t rose, fell.

    t = (high + low + close) / 3, over `period` bars; 0 where there is no flow.
    Source: Quong and Soudack, 1989.
    """
    falls = 2 + period
    for row in range(len(close)):
        number = begin_bar(known, instrument, anew, row)
        typical = (high[row] + low[row] + close[row]) / 3
        change, known[number, LAST] = typical - known[number, LAST], typical
        out[0, row] = math.nan
        if known[number, BARS] < 2:
            continue
        flow = typical * volume[row]
        push(known, number, 2, period, flow if change > 0 else 0.0)
        push(known, number, falls, period, flow if change < 0 else 0.0)
        if known[number, BARS] > period:
            rising = sum_of(known, number, 2, period)
            total = rising + sum_of(known, number, falls, period)
            out[0, row] = 100 * (rising / total) if total > 0 else 0.0


@compiled
@by_numbers
def cmf(
    known: Known,
    instrument: Ints,
    anew: Bools,
    high: Floats,
    low: Floats,
    close: Floats,
    volume: Floats,
    out: Out,
    period: int,
) -> None:
    """Write Chaikin's money flow: the terms of `ad` over `period` bars / their volume."""
    for row in range(len(close)):
        number = begin_bar(known, instrument, anew, row)
        flow = accumulate(high[row], low[row], close[row], volume[row])
        push(known, number, RING, period, flow)
        push(known, number, RING + period, period, volume[row])
        out[0, row] = math.nan
        if known[number, BARS] >= period:
            total = sum_of(known, number, RING + period, period)
            out[0, row] = sum_of(known, number, RING, period) / total if total > 0 else 0.0


FOLDS = {
    "obv": Fold(obv, lambda: TOTAL + 1),
    "ad": Fold(ad, lambda: TOTAL + 1),
    "adosc": Fold(
        adosc,
        lambda fast, slow: SLOW + 1,
        {"fast": bars(3, 2), "slow": bars(10, 2)},
        rising=("fast", "slow"),
    ),
    "mfi": Fold(mfi, lambda period: 2 + 2 * period, {"period": bars(14, 2)}),
    "cmf": Fold(cmf, lambda period: RING + 2 * period, {"period": bars(20)}),
}
