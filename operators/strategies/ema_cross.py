"""Trend following: the fast average of closes crosses the slow one.

    fast - slow     - - - 0 + + + + -
    forecast              . BUY     SELL     from at or below zero to above, and the reverse

EMA as in TA-Lib: seeded with the mean of the first n closes, then ema += 2/(n+1) (close - ema).

    >>> import numpy as np
    >>> close, forecasts = np.array([3.0, 2.0, 1.0, 4.0, 1.0]), np.zeros(5)
    >>> step(np.zeros((1, WIDTH)), np.zeros(5, np.int64), close, np.zeros(5), forecasts, 1, 2)
    >>> forecasts.round(2).tolist()
    [0.0, 0.0, 0.0, 0.83, -0.72]
"""

from tapeflow.engine.compiled import by_numbers, compiled
from tapeflow.schemas.columns import Floats, Floats2, Ints, Written

# The state of an instrument: bars so far, and both averages, which are sums until seeded.
BARS, FAST, SLOW = range(3)
WIDTH = 3


@compiled
@by_numbers
def step(
    state: Written[Floats2],
    instrument: Ints,
    close: Floats,
    score: Floats,
    forecasts: Written[Floats],
    fast: int,
    slow: int,
) -> None:
    """Update the averages bar by bar; where they have crossed, the forecast is their distance.

    `state`: (instruments, WIDTH), updated in place. The others are by bar; `forecasts` is written.
    """
    for row in range(len(close)):
        number = instrument[row]
        before = state[number, FAST] - state[number, SLOW]
        state[number, BARS] += 1
        for average, period in ((FAST, fast), (SLOW, slow)):
            if state[number, BARS] < period:
                state[number, average] += close[row]
            elif state[number, BARS] == period:
                state[number, average] = (state[number, average] + close[row]) / period
            else:
                state[number, average] += 2 / (period + 1) * (close[row] - state[number, average])
        after = state[number, FAST] - state[number, SLOW]
        if state[number, BARS] > max(fast, slow) and (before <= 0 < after or before >= 0 > after):
            forecasts[row] = after
