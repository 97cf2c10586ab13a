"""The watermark of a partition after each of its records, as `kernel.py` sees it.

records    t1   t2   heartbeat   t3
reached     W    W       W        W      never decreasing: the record at which it passes an end is
                                         found by bisection
"""

from tapeflow.engine.compiled import by_numbers, compiled
from tapeflow.operators.bars.kernel import clock_after_silence, clock_after_trade
from tapeflow.operators.bars.layout import MIDDLE_NS, NONE, Clock, Scalars
from tapeflow.schemas.columns import Ints, Written
from tapeflow.schemas.market import ACCEPTED, HEARTBEAT, LATE
from tapeflow.schemas.time import MIN_NS

NOT_YET_MID_NS = MIN_NS  # a watermark before the first trade


@compiled
@by_numbers
def trace_watermark(  # noqa: PLR0913, PLR0917  # a kernel takes plain arrays
    scalars: Scalars,
    first_offset: int,
    log_times_ns: Ints,
    status: Ints,
    offset: Ints,
    event_ns: Ints,
    verdict: Ints,
    lateness_ns: int,
    reached_mid_ns: Written[Ints],
) -> None:
    """Write the watermark after each record.

    `scalars`: (1,) of SCALARS, of which the clock is used. `log_times_ns`, `status`,
    `reached_mid_ns`: (records,), the first of them at `first_offset`. The rest: by trade, judged.
    """
    state = scalars[0]
    clock = Clock(
        state["newest_ns"], state["newest_log_ns"], state["watermark_mid_ns"], state["first_ns"]
    )
    trade, traded, lag_ns = 0, len(offset), MIDDLE_NS + lateness_ns
    for record in range(len(status)):
        if status[record] == HEARTBEAT:
            clock = clock_after_silence(clock, log_times_ns[record], lag_ns)
        while trade < traded and offset[trade] == first_offset + record:
            if verdict[trade] == ACCEPTED or verdict[trade] == LATE:
                first_ns = clock.first_ns
                if first_ns == NONE and verdict[trade] == ACCEPTED:
                    first_ns = event_ns[trade]
                watermark_mid_ns = clock.watermark_mid_ns
                if clock.newest_ns == NONE:
                    watermark_mid_ns = event_ns[trade] - lag_ns
                clock = Clock(clock.newest_ns, clock.newest_log_ns, watermark_mid_ns, first_ns)
                clock = clock_after_trade(clock, event_ns[trade], log_times_ns[record], lag_ns)
            trade += 1
        reached_mid_ns[record] = clock.watermark_mid_ns
        if clock.newest_ns == NONE:
            reached_mid_ns[record] = NOT_YET_MID_NS
    state["newest_ns"], state["newest_log_ns"] = clock.newest_ns, clock.newest_log_ns
    state["watermark_mid_ns"], state["first_ns"] = clock.watermark_mid_ns, clock.first_ns
