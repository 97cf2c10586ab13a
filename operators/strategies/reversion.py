"""Mean reversion: a return far out of its own distribution is expected to be taken back.

score     0.3  1.1  2.6  2.9  0.2  -2.7          entry = 2.5
views               SELL           BUY            where |score| comes from below entry to it
"""

from tapeflow.engine.compiled import compiled
from tapeflow.schemas.columns import Floats, Ints

BEYOND = 0  # what is known of an instrument: was the last score beyond entry already?
WIDTH = 1


@compiled
def step(
    known: Floats, instrument: Ints, close: Floats, score: Floats, views: Floats, entry: float
) -> None:
    """Against the move, once for each time that the score goes out to `entry`."""
    for row in range(len(score)):
        mine = known[instrument[row]]
        beyond = abs(score[row]) >= entry  # of no score: it is not
        if beyond and mine[BEYOND] == 0:
            views[row] = -score[row]
        mine[BEYOND] = beyond
