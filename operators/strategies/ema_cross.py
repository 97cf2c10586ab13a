"""Trend following: the fast average of closes crosses the slow one.

    fast - slow     - - - 0 + + + + -
    views                 . BUY     SELL        from at or below zero to above, and the reverse

EMA as in TA-Lib: seeded with the mean of the first n closes, then ema += 2/(n+1) (close - ema).
"""

from tapeflow.engine.compiled import compiled
from tapeflow.schemas.columns import Floats, Ints

# What is known of an instrument: bars so far, and both averages, which are sums until seeded.
BARS, FAST, SLOW = range(3)
WIDTH = 3


@compiled
def step(
    known: Floats,
    instrument: Ints,
    close: Floats,
    score: Floats,
    views: Floats,
    fast: int,
    slow: int,
) -> None:
    """Learn bars; where the averages have crossed, the view is their distance."""
    for row in range(len(close)):
        mine = known[instrument[row]]
        was = mine[FAST] - mine[SLOW]
        mine[BARS] += 1
        for average, period in ((FAST, fast), (SLOW, slow)):
            if mine[BARS] < period:
                mine[average] += close[row]
            elif mine[BARS] == period:
                mine[average] = (mine[average] + close[row]) / period
            else:
                mine[average] += 2 / (period + 1) * (close[row] - mine[average])
        now = mine[FAST] - mine[SLOW]
        if mine[BARS] > max(fast, slow) and (was <= 0 < now or was >= 0 > now):
            views[row] = now
