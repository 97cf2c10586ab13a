"""The rule by which written times become log times: they never go back.

A clock that steps back by up to JITTER_NS is held at the newest log time. A record that is further
ahead of the one before it than `[source] step` waits for the next one, which confirms its time or
not; the same for a record that goes back by more than JITTER_NS, and for the first one. If the next
one goes back as far the log is refused, for nothing after it has a time. The last record of a log
is believed: nothing comes after it that its time could hold. One look ahead is all, so the answer
depends on the records alone, not on the pages in which they came.
"""

from tapeflow.engine.compiled import by_numbers, compiled
from tapeflow.schemas.columns import Ints, Written
from tapeflow.schemas.time import MAX_NS, MIN_NS

JITTER_NS = 60_000_000_000  # clocks of recorders may step back so far
UNKNOWN_NS, END_NS = MIN_NS, MAX_NS  # of the record after a page: not read yet; there is none


@compiled
@by_numbers
def set_log_times(
    written: Ints, after_ns: int, before_ns: int, step_ns: int, log_ns: Written[Ints]
) -> tuple[int, int]:
    """Write the log time of each record; return how many were decided, and how many corrected.

    `after_ns`: of the record after these, UNKNOWN_NS or END_NS. `before_ns`: the log time reached,
    MIN_NS at first. Stops before a record that waits for the next one, or goes back with it.
    """
    corrected = 0
    for row in range(len(written)):
        time_ns = written[row]
        first = before_ns == MIN_NS
        back = not first and before_ns - time_ns > JITTER_NS
        if back or (step_ns < MAX_NS and (first or time_ns - before_ns > step_ns)):
            next_ns = after_ns if row + 1 == len(written) else written[row + 1]
            if next_ns == UNKNOWN_NS:
                return row, corrected
            if back:
                if next_ns != END_NS and before_ns - next_ns > JITTER_NS:
                    return row, corrected
                time_ns = before_ns
            elif time_ns - next_ns > JITTER_NS:
                time_ns = next_ns if first else before_ns
        elif time_ns < before_ns:
            time_ns = before_ns
        corrected += time_ns != written[row]
        log_ns[row] = before_ns = time_ns
    return len(written), corrected
