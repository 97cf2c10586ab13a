"""Mean reversion: a return far outside of its recent distribution is expected to revert.

score     0.3  1.1  2.6  2.9  0.2  -2.7          entry = 2.5
forecast            SELL           BUY            where |score| rises from below entry to it

    >>> import numpy as np
    >>> score, forecasts = np.array([0.3, 1.1, 2.6, 2.9, 0.2, -2.7]), np.zeros(6)
    >>> step(np.zeros((1, WIDTH)), np.zeros(6, np.int64), np.zeros(6), score, forecasts, 2.5)
    >>> forecasts.tolist()
    [0.0, 0.0, -2.6, 0.0, 0.0, 2.7]
"""

from tapeflow.engine.compiled import by_numbers, compiled
from tapeflow.schemas.columns import Floats, Floats2, Ints, Written

BEYOND = 0  # the state of an instrument: 1 where the last score was at or beyond entry
WIDTH = 1


@compiled
@by_numbers
def step(
    state: Written[Floats2],
    instrument: Ints,
    close: Floats,
    score: Floats,
    forecasts: Written[Floats],
    entry: float,
) -> None:
    """Forecast against the move, once each time that |score| reaches `entry` from below.

    `state`: (instruments, WIDTH), updated in place. The others are by bar; `forecasts` is written.
    """
    for row in range(len(score)):
        number = instrument[row]
        beyond = abs(score[row]) >= entry  # False for NaN
        if beyond and state[number, BEYOND] == 0:
            forecasts[row] = -score[row]
        state[number, BEYOND] = beyond
