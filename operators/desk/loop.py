"""The loop of the desk: always the earliest of what is due, up to the horizon.

    log order   timer   row   intent   row        timer   |horizon
                  │      │      │       │           │     |
                venue  venue  decide  venue     answer, sample

At one log time timers go first: the venue's, answers, samples of equity. At one position rows go
first, in the order of their tables, then funding, bars and intents.
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

FUNDING, BAR, INTENT = 3, 4, 5  # their ranks at a position: after the rows of every table


def process_events(state: State, settings: DeskSettings) -> Iterator[Fact]:
    """Process everything below the horizon, in log order; yield the facts."""
    state.watch_orders()
    for partition in state.merge.pending:
        state.watch.search(state.merge, partition)
    state.searched.clear()
    while (due := next_due(state)) is not None:
        position, kind = due
        state.now_ns = position[0]
        if kind in ("funding", "bar", "intent"):  # what is decided here meets later rows only
            log_ns, partition, offset = position
            state.merge.release_before((log_ns, partition, offset + 1))
        if kind == "row":
            yield from meet_row(state, settings, min(state.watch.found.values(), key=row_key))
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
    first: tuple[LogPosition, int, str] | None = None
    if state.watch.found:
        row = min(state.watch.found.values(), key=row_key)
        first = (row.position, row.table, "row")
    bar = state.bars[0].position if state.bars else None
    intent = state.intents[0][0][0] if state.intents else None
    funding = state.dues[0][0] if state.dues else None
    others = ((funding, FUNDING, "funding"), (bar, BAR, "bar"), (intent, INTENT, "intent"))
    for position, rank, kind in others:
        if position is None or position >= state.merge.horizon:
            continue
        if first is None or (position, rank) < first[:2]:
            first = (position, rank, kind)
    time_ns = timers.next_due_ns(state)
    if time_ns is not None:
        position = (time_ns, "", -1)  # before every record of that time
        if first is None or position < first[0]:
            first = (position, 0, "timer")
    return None if first is None else (first[0], first[2])


def row_key(row: FoundRow) -> tuple[LogPosition, int]:
    """Return the key that sorts rows that matter: a partition has one of them at most."""
    return row.position, row.table


def meet_row(state: State, settings: DeskSettings, found: FoundRow) -> Iterator[Fact]:
    """Let the orders of an instrument meet a row of the market; it becomes the mark."""
    partition, merge = found.position[1], state.merge
    merge.release_partition(partition, found.position)
    log_ns, _, offset = found.position  # of its own record, the tables before its own
    merge.release_partition(partition, (log_ns, partition, offset + 1), found.table)
    ticks = found.pending.chunks[0]
    if found.row > found.pending.begin:
        merge.release(found.pending, found.row)
    row = market_row(ticks, found.row, partition)
    reports = state.venue.meet(row, standing_before(merge.marks, row.instrument))
    merge.release(found.pending, found.row + 1)
    state.searched.add(partition)
    yield from hear_all(state, settings, reports, found.position)


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
