"""Mean reversion: a return far out of its own distribution is expected to be taken back.

score     0.3  1.1  2.6  2.9  0.2  -2.7          entry = 2.5
forecast            SELL           BUY            where |score| comes from below entry to it
"""

from tapeflow.engine.compiled import compiled
from tapeflow.schemas.columns import Floats, Ints

BEYOND = 0  # the state of an instrument: 1 where the last score was at or beyond entry
WIDTH = 1


@compiled
def step(
    state: Floats,
    instrument: Ints,
    close: Floats,
    score: Floats,
    forecasts: Floats,
    entry: float,
) -> None:
    """Forecast against the move, once for each time that the score goes out to `entry`.

    `state`: (instruments, WIDTH), updated in place. The others are by bar; `forecasts` is written.
    """
    for row in range(len(score)):
        last = state[instrument[row]]
        beyond = abs(score[row]) >= entry  # of no score: it is not
        if beyond and last[BEYOND] == 0:
            forecasts[row] = -score[row]
        last[BEYOND] = beyond
