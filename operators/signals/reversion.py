"""Mean reversion: a return far out of its own distribution is expected to be taken back.

score     0.3  1.1  2.6  2.9  0.2  -2.7          entry = 2.5
signals             SELL           BUY            where |score| comes from below entry to it
"""

from msgspec import Struct

from operators.signals.view import View
from schemas.market import BUY, SELL, Bar


class State(Struct, frozen=True):
    """Was the last score beyond entry already?"""

    beyond: bool = False


def step(
    state: State | None, bar: Bar, score: float | None, *, entry: float
) -> tuple[State, View | None]:
    """Against the move, once for each time that the score goes out to `entry`."""
    if score is None or abs(score) < entry:
        return State(beyond=False), None
    if state is not None and state.beyond:
        return state, None
    return State(beyond=True), View(SELL if score > 0 else BUY, abs(score))
