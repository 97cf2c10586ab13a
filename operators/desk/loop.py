"""The loop of the desk: always the earliest of what is due, up to the horizon.

    log order   timer   row   intent   row        timer   |horizon
                  │      │      │       │           │     |
                venue  venue  decide  venue     answer, sample

At one log time timers go first: the venue's, answers, samples of equity. At one position all rows
of the record go first, in the order of their tables; then the desk hears what they brought, then
come funding, bars and intents, and last what of all that is due in the past.
"""

from collections.abc import Iterator
from heapq import heappop

from tapeflow.operators.desk import equity, slices, timers
from tapeflow.operators.desk.decide import decide
from tapeflow.operators.desk.funding import funding_facts
from tapeflow.operators.desk.hear import Fact, carry_out, hear_all
from tapeflow.operators.desk.rows import market_row, standing_before
from tapeflow.operators.desk.settings import DeskSettings
from tapeflow.operators.desk.state import DeskBar, State
from tapeflow.operators.desk.watch import FoundRow
from tapeflow.schemas.time import LogPosition

HEAR, FUNDING, DECIDE, LATE = range(3, 7)  # ranks at a position: the rows of tables are 0 to 2
BAR, INTENT = 0, 1  # of one end of bar; bars that the end of a log closes stand at its last record

DECIDES = ("hear", "funding", "bar", "intent")  # kinds of events at which orders are decided


def process_events(state: State, settings: DeskSettings) -> Iterator[Fact]:
    """Process everything below the horizon, in log order; yield the facts."""
    state.watch_orders()
    for partition in state.merge.pending:
        state.watch.search(state.merge, partition)
    state.searched.clear()
    while (due := next_due(state)) is not None:
        position, kind = due
        state.now = position
        if kind in DECIDES:  # what is decided here meets later rows only
            log_ns, partition, offset = position
            state.merge.release_before((log_ns, partition, offset + 1))
        if kind == "row":
            meet_row(state, min(state.watch.found.values(), key=row_key))
        elif kind == "hear":
            reports, state.reports = state.reports, []
            yield from hear_all(state, settings, reports, position)
        elif kind == "funding":
            yield from funding_facts(state, settings, heappop(state.dues)[2])
        elif kind == "bar":
            yield from follow_bar(state, settings, heappop(state.bars))
        elif kind == "intent":
            yield from decide(state, settings, heappop(state.intents)[2])
        else:
            yield from timers.pass_time(state, settings, position[0])
        refresh_bounds(state)
    state.merge.release_before(state.merge.horizon)
    if state.merge.ended:
        yield from equity.last_samples(state, settings)


def next_due(state: State) -> tuple[LogPosition, str] | None:
    """Return the position and the kind of what is due next, or None up to the horizon."""
    due: list[tuple[LogPosition, tuple[int, ...], str]] = []
    if state.watch.found:
        row = min(state.watch.found.values(), key=row_key)
        due.append((row.position, (row.table,), "row"))
    if state.reports:
        due.append((state.now, (HEAR,), "hear"))
    if state.dues:
        due.append((state.dues[0][0], (FUNDING,), "funding"))
    if state.bars:
        due.append((state.bars[0].position, (DECIDE, state.bars[0].close_ns, BAR), "bar"))
    if state.intents:
        position, close_ns = state.intents[0][0][:2]
        due.append((position, (DECIDE, close_ns, INTENT), "intent"))
    time_ns = timers.next_due_ns(state)
    if time_ns is not None and time_ns > state.now[0]:
        due.append(((time_ns, "", -1), (0,), "timer"))  # before every record of that time
    elif time_ns is not None:
        due.append((state.now, (LATE,), "timer"))
    first = min(due, default=None)
    if first is None or first[0] >= state.merge.horizon:
        return None
    return first[0], first[2]


def row_key(row: FoundRow) -> tuple[LogPosition, int]:
    """Return the key that sorts rows that matter: a partition has one of them at most."""
    return row.position, row.table


def meet_row(state: State, found: FoundRow) -> None:
    """Let the orders of an instrument meet a row of the market; it becomes the mark."""
    partition, merge = found.position[1], state.merge
    merge.release_partition(partition, found.position)
    log_ns, _, offset = found.position  # of its own record, the tables before its own
    merge.release_partition(partition, (log_ns, partition, offset + 1), found.table)
    ticks = found.pending.chunks[0]
    if found.row > found.pending.begin:
        merge.release(found.pending, found.row)
    row = market_row(ticks, found.row, partition)
    state.reports += state.venue.meet(row, standing_before(merge.marks, row.instrument))
    merge.release(found.pending, found.row + 1)
    state.searched.add(partition)


def follow_bar(state: State, settings: DeskSettings, bar: DeskBar) -> Iterator[Fact]:
    """Let the orders in slices that follow the volume of an instrument go on at a bar."""
    volume = (bar.instrument, bar.open_ns, bar.volume)
    for action in slices.on_bar(state.orders, *volume, bar.position):
        yield from carry_out(state, settings, action, bar.position)


def refresh_bounds(state: State) -> None:
    """Write the bounds that have changed, and search the partitions of their instruments anew."""
    state.watch_orders()
    for partition in state.searched:
        state.watch.search(state.merge, partition)
    state.searched.clear()
