"""Where a close lies in the range of the last bars."""

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
    push,
    smooth_slowly,
    true_range,
)
from tapeflow.schemas.columns import Bools, Floats, Ints

CLOSE, BOUGHT = 1, 2  # of ultosc: the close before, rings
STRENGTH, GAIN, LOSS, STOCHRSI_RING = 1, 2, 4, 6  # of stochrsi
RING, NOISE = 1, 1e-14  # a range of RSI below this part of 100 is of rounding


@compiled
@by_numbers
def stoch(
    known: Known,
    instrument: Ints,
    anew: Bools,
    high: Floats,
    low: Floats,
    close: Floats,
    out: Out,
    period: int,
    slow: int,
    signal: int,
) -> None:
    """Write Lane's stochastic: %K, the mean of `slow` values of f, and %D, of `signal` of %K.

    f = 100 (close - lowest low) / (highest high - lowest low) over `period` bars; 0 in a range of
    one price. `stoch.k:5,1,3` is the fast one. Source: Lane, Lane's Stochastics, 1984.
    """
    lows = RING + period
    fast, smoothed = lows + period, lows + period + slow
    for row in range(len(close)):
        number = begin_bar(known, instrument, anew, row)
        push(known, number, RING, period, high[row])
        push(known, number, lows, period, low[row])
        out[0, row] = out[1, row] = math.nan
        count = int(known[number, BARS])
        if count < period:
            continue
        bottom = lowest(known, number, lows, period)
        span = highest(known, number, RING, period) - bottom
        known[number, fast + count % slow] = (close[row] - bottom) / span * 100 if span > 0 else 0.0
        total = 0.0
        for at in range(fast, fast + slow):
            total += known[number, at]
        known[number, smoothed + count % signal] = total / slow
        if count >= period + slow + signal - 2:
            out[0, row] = total / slow
            total = 0.0
            for at in range(smoothed, smoothed + signal):
                total += known[number, at]
            out[1, row] = total / signal


@compiled
@by_numbers
def stochrsi(
    known: Known,
    instrument: Ints,
    anew: Bools,
    close: Floats,
    out: Out,
    period: int,
    window: int,
    signal: int,
) -> None:
    """Write the fast stochastic of `rsi:period` over `window` bars: %K, and %D, its mean.

    Source: Chande and Kroll, The New Technical Trader, 1994.
    """
    means = STOCHRSI_RING + window
    for row in range(len(close)):
        number = begin_bar(known, instrument, anew, row)
        out[0, row] = out[1, row] = math.nan
        change = close[row] - known[number, STRENGTH]
        known[number, STRENGTH] = close[row]
        if known[number, BARS] < 2:
            continue
        gain = smooth_slowly(known, number, GAIN, period, max(change, 0.0))
        loss = smooth_slowly(known, number, LOSS, period, max(-change, 0.0))
        if math.isnan(gain):
            continue
        strength = 100 * (gain / (gain + loss)) if gain + loss > 0 else 0.0
        push(known, number, STOCHRSI_RING, window, strength)
        if known[number, BARS] < period + window:
            continue
        bottom = lowest(known, number, STOCHRSI_RING, window)
        span = highest(known, number, STOCHRSI_RING, window) - bottom
        fast = (strength - bottom) / span * 100 if span / 100 >= NOISE else 0.0
        push(known, number, means, signal, fast)
        if known[number, BARS] >= period + window + signal - 1:
            out[0, row] = fast
            total = 0.0
            for at in range(means, means + signal):
                total += known[number, at]
            out[1, row] = total / signal


@compiled
@by_numbers
def willr(
    known: Known,
    instrument: Ints,
    anew: Bools,
    high: Floats,
    low: Floats,
    close: Floats,
    out: Out,
    period: int,
) -> None:
    """Write Williams' %R: -100 (highest high - close) / (highest high - lowest low)."""
    for row in range(len(close)):
        number = begin_bar(known, instrument, anew, row)
        push(known, number, RING, period, high[row])
        push(known, number, RING + period, period, low[row])
        out[0, row] = math.nan
        if known[number, BARS] >= period:
            top = highest(known, number, RING, period)
            span = top - lowest(known, number, RING + period, period)
            out[0, row] = (top - close[row]) / span * -100 if span > 0 else 0.0


@compiled
@by_numbers
def ultosc(
    known: Known,
    instrument: Ints,
    anew: Bools,
    high: Floats,
    low: Floats,
    close: Floats,
    out: Out,
    fast: int,
    middle: int,
    slow: int,
) -> None:
    """Write the ultimate oscillator: 100 (4 r(fast) + 2 r(middle) + r(slow)) / 7.

    r = sum of (close - low) / sum of (high - low), high and low with the close before.
    Source: Williams, The Ultimate Oscillator, 1985.
    """
    for row in range(len(close)):
        number = begin_bar(known, instrument, anew, row)
        before, known[number, CLOSE] = known[number, CLOSE], close[row]
        out[0, row] = math.nan
        count = int(known[number, BARS])
        if count < 2:
            continue
        push(known, number, BOUGHT, slow, close[row] - min(low[row], before))
        push(known, number, BOUGHT + slow, slow, true_range(high[row], low[row], before))
        if count <= slow:
            continue
        total, bought, spans = 0.0, 0.0, 0.0
        for age in range(slow):
            at = BOUGHT + (count - 1 - age) % slow
            bought += known[number, at]
            spans += known[number, at + slow]
            weight = (4 if age + 1 == fast else 0) + (2 if age + 1 == middle else 0)
            weight += 1 if age + 1 == slow else 0
            total += weight * (bought / spans) if weight > 0 and spans > 0 else 0.0
        out[0, row] = 100 * (total / 7)


STOCH = {"period": bars(5), "slow": bars(3), "signal": bars(3)}
STOCHRSI = {"period": bars(14, 2), "window": bars(5), "signal": bars(3)}
FOLDS = {
    "stoch": Fold(
        stoch,
        lambda period, slow, signal: RING + 2 * period + slow + signal,
        STOCH,
        ("k", "d"),
    ),
    "stochrsi": Fold(
        stochrsi,
        lambda period, window, signal: STOCHRSI_RING + window + signal,
        STOCHRSI,
        ("k", "d"),
    ),
    "willr": Fold(willr, lambda period: RING + 2 * period, {"period": bars(14, 2)}),
    "ultosc": Fold(
        ultosc,
        lambda fast, middle, slow: BOUGHT + 2 * slow,
        {"fast": bars(7), "middle": bars(14), "slow": bars(28)},
        rising=("fast", "middle", "slow"),
    ),
}
