"""Momentum: how fast, and how one-sidedly, prices move."""

import math

from tapeflow.engine.compiled import by_numbers, compiled
from tapeflow.operators.features.fold import Fold, bars
from tapeflow.operators.features.ring import (
    BARS,
    Known,
    Out,
    begin_bar,
    mean_of,
    push,
    smooth,
    smooth_slowly,
)
from tapeflow.schemas.columns import Bools, Floats, Ints

CLOSE = 1  # the close before
GAIN, LOSS = 2, 4  # columns of averages, two each
RING = 1
FAST, SLOW, SIGNAL = 1, 3, 5


@compiled
@by_numbers
def rsi(known: Known, instrument: Ints, anew: Bools, close: Floats, out: Out, period: int) -> None:
    """Write the relative strength index, and Chande's oscillator of the same averages.

    rsi = 100 g / (g + l), cmo = 100 (g - l) / (g + l); g and l are Wilder's averages of gains and
    losses of closes. 0 where no price has moved. Source: Wilder, New Concepts, 1978.
    """
    for row in range(len(close)):
        number = begin_bar(known, instrument, anew, row)
        out[0, row] = out[1, row] = math.nan
        change = close[row] - known[number, CLOSE]
        known[number, CLOSE] = close[row]
        if known[number, BARS] < 2:
            continue
        gain = smooth_slowly(known, number, GAIN, period, max(change, 0.0))
        loss = smooth_slowly(known, number, LOSS, period, max(-change, 0.0))
        if not math.isnan(gain):
            total = gain + loss
            out[0, row] = 100 * (gain / total) if total > 0 else 0.0
            out[1, row] = 100 * ((gain - loss) / total) if total > 0 else 0.0


@compiled
@by_numbers
def mom(known: Known, instrument: Ints, anew: Bools, close: Floats, out: Out, period: int) -> None:
    """Write the change of closes over `period` bars, and its rate in percent.

    mom = close - before, rate = 100 (close / before - 1).
    """
    size = period + 1
    for row in range(len(close)):
        number = begin_bar(known, instrument, anew, row)
        push(known, number, RING, size, close[row])
        out[0, row] = out[1, row] = math.nan
        count = int(known[number, BARS])
        if count >= size:
            before = known[number, RING + count % size]
            out[0, row] = close[row] - before
            out[1, row] = (close[row] / before - 1.0) * 100.0 if before != 0 else 0.0


@compiled
@by_numbers
def macd(
    known: Known,
    instrument: Ints,
    anew: Bools,
    close: Floats,
    out: Out,
    fast: int,
    slow: int,
    signal: int,
) -> None:
    """Write the distance of two `ema` of closes, its own `ema`, and the distance of these two.

    Both averages have their first value at the same bar, the fast one is seeded just before.
    Source: Appel, The Moving Average Convergence Divergence Method, 1979.
    """
    for row in range(len(close)):
        number = begin_bar(known, instrument, anew, row)
        out[0, row] = out[1, row] = out[2, row] = math.nan
        slower = smooth(known, number, SLOW, slow, close[row])
        if known[number, BARS] <= slow - fast:
            continue
        faster = smooth(known, number, FAST, fast, close[row])
        average = smooth(known, number, SIGNAL, signal, faster - slower)
        if not math.isnan(average):
            out[0, row] = faster - slower
            out[1, row] = average
            out[2, row] = faster - slower - average


@compiled
@by_numbers
def ppo(
    known: Known, instrument: Ints, anew: Bools, close: Floats, out: Out, fast: int, slow: int
) -> None:
    """Write the distance of two `ema` of closes in percent of the slow one, and in price.

    ppo = 100 (fast - slow) / slow, apo = fast - slow. Each is seeded as any `ema`.
    """
    for row in range(len(close)):
        number = begin_bar(known, instrument, anew, row)
        out[0, row] = out[1, row] = math.nan
        slower = smooth(known, number, SLOW, slow, close[row])
        faster = smooth(known, number, FAST, fast, close[row])
        if not math.isnan(slower):
            out[0, row] = (faster - slower) / slower * 100 if slower != 0 else 0.0
            out[1, row] = faster - slower


@compiled
@by_numbers
def cci(
    known: Known,
    instrument: Ints,
    anew: Bools,
    high: Floats,
    low: Floats,
    close: Floats,
    out: Out,
    period: int,
) -> None:
    """Write the commodity channel index: (t - mean of t) / (0.015 mean |t - mean of t|).

    t = (high + low + close) / 3, over `period` bars; 0 where they do not differ.
    Source: Lambert, Commodity Channel Index, 1980.
    """
    for row in range(len(close)):
        number = begin_bar(known, instrument, anew, row)
        typical = (high[row] + low[row] + close[row]) / 3
        push(known, number, RING, period, typical)
        out[0, row] = math.nan
        if known[number, BARS] >= period:
            mean, total = mean_of(known, number, RING, period), 0.0
            for at in range(RING, RING + period):
                total += abs(known[number, at] - mean)
            off = typical - mean
            out[0, row] = off / (0.015 * (total / period)) if total != 0 and off != 0 else 0.0


@compiled
@by_numbers
def bop(
    known: Known,
    instrument: Ints,
    anew: Bools,
    open: Floats,  # noqa: A002  # the column's name
    high: Floats,
    low: Floats,
    close: Floats,
    out: Out,
) -> None:
    """Write the balance of power: (close - open) / (high - low), 0 in a bar of one price."""
    for row in range(len(close)):
        begin_bar(known, instrument, anew, row)
        span = high[row] - low[row]
        out[0, row] = (close[row] - open[row]) / span if span > 0 else 0.0


MACD = {"fast": bars(12), "slow": bars(26, 2), "signal": bars(9)}
PPO = {"fast": bars(12), "slow": bars(26, 2)}
FOLDS = {
    "rsi": Fold(rsi, lambda period: 6, {"period": bars(14, 2)}, ("rsi", "cmo")),
    "mom": Fold(mom, lambda period: RING + period + 1, {"period": bars(10)}, ("mom", "rate")),
    "macd": Fold(macd, lambda **_: 7, MACD, ("macd", "signal", "hist"), ("fast", "slow")),
    "ppo": Fold(ppo, lambda **_: 5, PPO, ("ppo", "apo"), ("fast", "slow")),
    "cci": Fold(cci, lambda period: RING + period, {"period": bars(20, 2)}),
    "bop": Fold(bop, lambda: 1),
}
