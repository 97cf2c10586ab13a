"""Begins features anew at bars behind a hole in the prices of their instrument.

    bars   09:00 09:01 09:02 | .. nothing ..  | 09:20 09:21        hole = "10m"
    anew     -     -     -                       x     -

A bar that begins more than `hole_ns` after the end of the one before it: the price went on unseen.
An average over both sides of it would be of no market that there was.
"""

from tapeflow.engine.compiled import by_numbers, compiled
from tapeflow.schemas.columns import Bools, Ints, Written
from tapeflow.schemas.time import MAX_NS

NEVER_NS = MAX_NS  # end of the last bar where there is none: nothing begins later


@compiled
@by_numbers
def find_holes(
    instrument: Ints,
    open_ns: Ints,
    close_ns: Ints,
    hole_ns: int,
    last_end_ns: Written[Ints],
    anew: Written[Bools],
) -> None:
    """Write for each bar whether it is behind a hole.

    `last_end_ns`: (instruments,), ends of their last bars, updated in place.
    """
    for row in range(len(instrument)):
        number = instrument[row]
        anew[row] = open_ns[row] - last_end_ns[number] > hole_ns
        last_end_ns[number] = close_ns[row]
