"""Process what is due at a log time, before the records of that time.

rank  0 venue: ends, amendments, patience     1 answers of the venue     2 slices
      3 timers of strategies     4 what is being closed     5 supervision     6 samples
"""

from collections.abc import Iterator
from functools import partial
from heapq import heappop

from tapeflow.operators.desk import equity
from tapeflow.operators.desk.actions import Slice
from tapeflow.operators.desk.hear import Fact, carry_out, hear, hear_all
from tapeflow.operators.desk.risk.supervision import clock
from tapeflow.operators.desk.risk.supervision.notes import note_peaks
from tapeflow.operators.desk.rows import standing_before
from tapeflow.operators.desk.settings import DeskSettings
from tapeflow.operators.desk.state import State
from tapeflow.operators.desk.strategies.calls import call_timer
from tapeflow.operators.desk.venue.rows import Standing


def next_due_ns(state: State) -> int | None:
    """Return the log time of the next timer that is certain by now, or None.

    A timer after the last record of the log never fires: the log does not come to its time.
    """
    times = [
        time_ns
        for time_ns in (
            state.venue.next_due(),
            state.answers[0][0] if state.answers else None,
            state.slice_timers[0][0] if state.slice_timers else None,
            state.strategies.next_timer_ns(),
            state.risk.trading.next_retry_ns(),
            clock.next_timer_ns(state),
            state.samples[0][0] if state.samples else None,
        )
        if time_ns is not None
    ]
    if not times:
        return None
    first = max(min(times), state.now[0])  # what comes too late happens at once
    is_certain = (first, "", -1) < state.merge.horizon and first <= state.merge.log_ns
    return first if is_certain else None


def pass_time(state: State, settings: DeskSettings, now_ns: int) -> Iterator[Fact]:
    """Do what is due at a log time, of the least rank."""
    position = (now_ns, "", -1)
    if is_due(state.venue.next_due(), now_ns):
        reports = state.venue.pass_time(now_ns, partial(standing_at, state, now_ns))
        yield from hear_all(state, settings, reports, position)
    elif state.answers and state.answers[0][0] <= now_ns:
        yield from hear(state, settings, heappop(state.answers)[2])
    elif state.slice_timers and state.slice_timers[0][0] <= now_ns:
        action = Slice(heappop(state.slice_timers)[1])
        yield from carry_out(state, settings, action, position)
    elif is_due(state.strategies.next_timer_ns(), now_ns):
        yield from call_timer(state, settings)
    elif is_due(state.risk.trading.next_retry_ns(), now_ns):
        state.merge.release_before(position)  # the loop goes on with what is being closed
    elif is_due(clock.next_timer_ns(state), now_ns):
        yield from clock.pass_time(state, settings, now_ns)
    else:
        yield from take_samples(state, settings, now_ns)


def is_due(due_ns: int | None, now_ns: int) -> bool:
    """Return whether a log time has come."""
    return due_ns is not None and due_ns <= now_ns


def standing_at(state: State, now_ns: int, instrument: int) -> Standing:
    """Return what stands of an instrument before the records of a log time."""
    partition = state.partition_of(instrument)
    if partition is not None:
        state.merge.release_partition(partition, (now_ns, "", -1))
    return standing_before(state.merge.marks, instrument)


def take_samples(state: State, settings: DeskSettings, now_ns: int) -> Iterator[Fact]:
    """Sample the equity of each account whose sample is due."""
    state.merge.release_before((now_ns, "", -1))
    while state.samples and state.samples[0][0] == now_ns:
        account = state.accounts[heappop(state.samples)[1]]
        yield from equity.sample_account(state, settings, account, now_ns)
        state.add_sample(account)
    if settings.supervises:
        note_peaks(state, settings)
