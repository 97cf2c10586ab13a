"""The loop of the desk: always the earliest of what is due, up to the horizon.

    log order   timer   row   intent   row        timer   |horizon
                  │      │      │       │           │     |
                venue  venue  decide  venue     answer, sample

At one log time timers go first: the venue's, answers, strategies', samples of equity. At one
position all rows of the record go first, in the order of their tables; then the desk hears what
they brought, what is supervised is evaluated, and strategies are called; then come funding,
commands, bars and intents, and last what of all that is due in the past.
"""

from collections.abc import Iterator
from heapq import heappop
from typing import Any

from tapeflow.operators.desk import equity, slices, timers
from tapeflow.operators.desk.decide import decide
from tapeflow.operators.desk.funding import funding_facts
from tapeflow.operators.desk.hear import Fact, carry_out, hear_all
from tapeflow.operators.desk.risk.closing import go_on_closing
from tapeflow.operators.desk.risk.control import obey
from tapeflow.operators.desk.risk.supervision.clock import begin_clock
from tapeflow.operators.desk.risk.supervision.evaluate import evaluate
from tapeflow.operators.desk.risk.supervision.notes import note_bar
from tapeflow.operators.desk.rows import market_row, standing_before
from tapeflow.operators.desk.settings import DeskSettings
from tapeflow.operators.desk.state import DeskBar, State
from tapeflow.operators.desk.strategies.calls import call_bar, call_next
from tapeflow.operators.desk.strategies.watches import meet_watches
from tapeflow.operators.desk.venue.rows import Row
from tapeflow.operators.desk.watch import FoundRow
from tapeflow.schemas.time import LogPosition

# Ranks at a position: rows of tables are 0 to 2.
HEAR, SUPERVISE, CALL, FUNDING, CONTROL, DECIDE, LATE = range(3, 10)
BAR, INTENT = 0, 1  # of one bar; bars that the end of a log closes stand at its last record

# Kinds of events at which orders are decided.
DECIDES = ("hear", "supervise", "call", "funding", "control", "intent")
# After these a closing does not go on: a restart evaluates once more, and must try nothing more.
NOTHING_CLOSES = ("row", "supervise")


def process_events(state: State, settings: DeskSettings) -> Iterator[Fact]:
    """Process everything below the horizon, in log order; yield the facts."""
    state.watch_orders()
    if settings.supervises:
        begin_clock(state, settings)
    for partition in state.merge.pending:
        state.watch.search(state.merge, partition)
    state.searched.clear()
    while (due := next_due(state)) is not None:
        position, kind = due
        state.now = position
        closes = state.risk.trading.closings and kind != "row"
        if kind in DECIDES or closes:
            state.merge.release_through(position)
        yield from process(state, settings, position, kind)
        if kind not in NOTHING_CLOSES and state.risk.trading.closings:
            yield from go_on_closing(state, settings)
        if state.risk.open_sizes.has_changed:
            state.risk.open_sizes.has_changed = False
            state.risk.supervision.is_due |= settings.holds_exposure
        refresh_bounds(state)
    state.merge.release_before(state.merge.horizon)
    yield from state.strategies.signals.take_certain(state.merge.horizon)
    if state.merge.ended:
        yield from equity.last_samples(state, settings)


def process(
    state: State, settings: DeskSettings, position: LogPosition, kind: str
) -> Iterator[Fact]:
    """Process what is due; yield the facts."""
    if kind == "row":
        meet_row(state, min(state.watch.found.values(), key=row_key))
    elif kind == "hear":
        reports, state.reports = state.reports, []
        yield from hear_all(state, settings, reports, position)
    elif kind == "supervise":
        yield from evaluate(state, settings)
    elif kind == "call":
        yield from call_next(state, settings)
    elif kind == "funding":
        yield from funding_facts(state, settings, heappop(state.dues)[2])
        state.risk.supervision.is_due |= settings.supervises
    elif kind == "control":
        yield from obey(state, settings, heappop(state.risk.overrides.pending)[1])
        state.risk.supervision.is_due = True
    elif kind == "bar":
        yield from pass_bar(state, settings, heappop(state.bars))
    elif kind == "intent":
        yield from decide(state, settings, heappop(state.intents)[2])
    else:
        yield from timers.pass_time(state, settings, position[0])


def next_due(state: State) -> tuple[LogPosition, str] | None:
    """Return the position and the kind of what is due next, or None up to the horizon."""
    due: list[tuple[LogPosition, tuple[Any, ...], str]] = []
    if state.watch.found:
        row = min(state.watch.found.values(), key=row_key)
        due.append((row.position, (row.table,), "row"))
    if state.reports:
        due.append((state.now, (HEAR,), "hear"))
    if state.risk.supervision.has_work:
        due.append((state.now, (SUPERVISE,), "supervise"))
    if state.strategies.calls:
        due.append((state.now, (CALL,), "call"))
    if state.dues:
        due.append((state.dues[0][0], (FUNDING,), "funding"))
    if state.risk.overrides.pending:
        due.append((state.risk.overrides.pending[0][0], (CONTROL,), "control"))
    if state.bars:
        bar = state.bars[0]
        due.append((bar.position, (DECIDE, bar.close_ns, bar.kind, bar.instrument, BAR), "bar"))
    if state.intents:
        position, close_ns, instrument, _ = state.intents[0][0]
        due.append((position, (DECIDE, close_ns, "", instrument, INTENT), "intent"))
    time_ns = timers.next_due_ns(state)
    if time_ns is not None and time_ns > state.now[0]:
        due.append(((time_ns, "", -1), (0,), "timer"))  # before every record of that time
    elif time_ns is not None and is_over(state.now, state.merge.horizon):
        due.append((state.now, (LATE,), "timer"))
    first = min(due, default=None)
    if first is None or first[0] >= state.merge.horizon:
        return None
    return first[0], first[2]


def is_over(position: LogPosition, horizon: LogPosition) -> bool:
    """Return whether all of a position is known: the end of a log closes bars at its last one."""
    log_ns, partition, offset = position
    return horizon > (log_ns, partition, offset + 1)


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
    state.risk.supervision.meet(row)
    if state.strategies.running:
        meet_price_watches(state, row)
    merge.release(found.pending, found.row + 1)
    state.searched.add(partition)


def meet_price_watches(state: State, row: Row) -> None:
    """Let the strategies be called whose price watches a row meets; these end."""
    instrument = state.venue.instruments.ids[row.instrument]
    for running, event in [*meet_watches(state.strategies.watches_of(instrument), row)]:
        state.strategies.add_price_event(running, event)
        state.venue.changed.add(row.instrument)


def pass_bar(state: State, settings: DeskSettings, due: DeskBar) -> Iterator[Fact]:
    """Let the orders in slices that follow the volume of an instrument go on; call strategies."""
    bar = due.bar
    if not due.kind and state.orders.slices:
        state.merge.release_through(due.position)
        volume = (bar.instrument, bar.open_ns, bar.volume)
        for action in slices.on_bar(state.orders, *volume, due.position):
            yield from carry_out(state, settings, action, due.position)
    if not due.kind and settings.protections:
        note_bar(state, settings, bar)
    if not due.kind and settings.correlates:
        state.risk.correlations.add(bar.instrument, bar.close_ns, bar.close)
    if state.strategies.running:
        number = settings.instruments.number[bar.instrument]
        state.strategies.memory.add(due.kind, bar, number, due.features)
        yield from call_bar(state, settings, due)


def refresh_bounds(state: State) -> None:
    """Write the bounds that have changed, and search the partitions of their instruments anew."""
    state.watch_orders()
    for partition in state.searched:
        state.watch.search(state.merge, partition)
    state.searched.clear()
