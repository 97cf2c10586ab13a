"""Bars that a missing trade may belong to are not complete; what does not come later is a gap.

    event time    | bar a       | bar b       | bar c       |
    ids              7 8      9     13           14 11
    missing                   [10-12]              [10] [12]   two gaps, as soon as `PATIENCE_NS` of
    complete         no            no            yes           event time have passed

This is no hot path: where no id is missing there is nothing to do.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

import bytewax.operators as op
import numpy as np
from bytewax.dataflow import operator
from bytewax.operators import KeyedStream
from msgspec import Struct
from msgspec.structs import astuple, replace

from tapeflow.engine.fold import fold
from tapeflow.schemas.batches import Batch
from tapeflow.schemas.columns import Columns
from tapeflow.schemas.gaps import FILLED, FOUND, NO_INSTRUMENT, Breaks, Gaps
from tapeflow.schemas.time import MAX_NS

RANGES_MAX = 32  # of an instrument: beyond that the oldest does not wait, or the two become one
PATIENCE_NS = 60_000_000_000  # how long after its bars have closed a gap may still be filled
END_NS = MAX_NS + PATIENCE_NS + 1  # later than every gap
BAR_FIELDS = ("offset", "instrument", "open_ns", "close_ns")


class Range(Struct, gc=False):
    """Ids of one instrument that are missing, or a pause of its partition; changed in place."""

    offset: int  # of the record by which it was found
    log_ns: int
    first_id: int
    last_id: int
    missing: int  # less than its ids where several ranges became one
    before_ns: int
    after_ns: int
    settled: bool = False  # it is a fact already, or nobody can say how much is missing


class Break(NamedTuple):
    """A row of `Breaks`."""

    offset: int
    log_ns: int
    kind: int
    instrument: int
    first_id: int
    last_id: int
    before_ns: int
    after_ns: int


@dataclass(slots=True)
class State:
    """What is missing in bars that have not closed, by instrument, changed in place."""

    ranges: dict[int, list[Range]] = field(default_factory=dict)
    due_ns: int = MAX_NS  # when the next range is to be settled or forgotten
    closed_ns: int = 0  # end of the newest bar that has closed


Row = tuple[int, ...]  # of `Gaps`


def make_room(ranges: list[Range], closed_ns: int) -> Iterator[Range]:
    """Yield the oldest range of a full list if its bars have closed; else make two ranges one."""
    if len(ranges) == RANGES_MAX:
        one, two = ranges.pop(0), ranges[0]
        if one.after_ns < closed_ns:
            yield one
            return
        counted = [each for each in (one, two) if not each.settled] or [one, two]
        ranges[0] = replace(
            counted[0],
            last_id=counted[-1].last_id,
            missing=sum(each.missing for each in counted),
            before_ns=min(one.before_ns, two.before_ns),
            after_ns=max(one.after_ns, two.after_ns),
        )


def fill_range(ranges: list[Range], trade_id: int, event_ns: int) -> None:
    """Take an id that has come out of the range that it is in."""
    for number, each in enumerate(ranges):
        if each.first_id <= trade_id <= each.last_id:
            break
    else:
        return
    at_ns = min(max(event_ns, each.before_ns), each.after_ns)
    if each.missing < each.last_id - each.first_id + 1:
        parts = [replace(each, missing=each.missing - 1)]
    else:
        below, above = trade_id - each.first_id, each.last_id - trade_id
        parts = [
            replace(each, last_id=trade_id - 1, missing=below, after_ns=at_ns),
            replace(each, first_id=trade_id + 1, missing=above, before_ns=at_ns),
        ]
    ranges[number : number + 1] = [part for part in parts if part.missing]


def apply_break(state: State, found: Break) -> Iterator[Row]:
    """Change what is missing by a break; yield the gaps that it settles."""
    offset, log_ns, kind, instrument, first_id, last_id, *times = found
    ranges = state.ranges.setdefault(instrument, [])
    fresh = Range(offset, log_ns, first_id, last_id, 0, min(times), max(times))
    if kind == FILLED:
        fill_range(ranges, first_id, times[0])
        return
    if kind == FOUND:
        fresh.missing = last_id - first_id + 1
        state.due_ns = min(state.due_ns, fresh.after_ns + PATIENCE_NS)
    else:  # nothing can be filled any more
        for each in ranges:
            if not each.settled:
                yield settle_range(each, offset, instrument)
            each.first_id, each.last_id = 1, 0
        yield settle_range(fresh, offset, instrument)
        fresh.first_id, fresh.last_id = 1, 0
    for each in make_room(ranges, state.closed_ns):
        if not each.settled:
            yield settle_range(each, offset, instrument)
    ranges.append(fresh)


def settle_range(settled: Range, offset: int, instrument: int) -> Row:
    """Return the gap that a range is at a record."""
    settled.settled = True
    place = (offset, settled.offset, settled.log_ns, instrument)
    ids = (settled.first_id, settled.last_id, settled.missing)
    return *place, *ids, settled.before_ns, settled.after_ns


def settle_until(state: State, offset: int, open_ns: int, close_ns: int) -> Iterator[Row]:
    """Yield the gaps that nothing fills any more when a bar closes; forget those it is beyond."""
    until_ns = close_ns - PATIENCE_NS
    for instrument, ranges in sorted(state.ranges.items()):  # a copy
        for each in ranges:
            if not each.settled and each.after_ns < until_ns:
                yield settle_range(each, offset, instrument)
        ranges[:] = [each for each in ranges if not each.settled or each.after_ns >= open_ns]
        if not ranges:
            del state.ranges[instrument]
    state.due_ns = min(
        (
            each.after_ns + (0 if each.settled else PATIENCE_NS)
            for ranges in state.ranges.values()
            for each in ranges
        ),
        default=MAX_NS,
    )


def is_touched(state: State, instrument: int, open_ns: int, close_ns: int) -> bool:
    """Return whether a trade of a bar may be missing."""
    return any(
        each.before_ns < close_ns and each.after_ns >= open_ns
        for number in (instrument, NO_INSTRUMENT)
        for each in state.ranges.get(number, ())
    )


def rows_of(columns: Columns, names: Iterable[str]) -> Iterator[tuple[int, ...]]:
    """Return some columns row by row."""
    return zip(*(getattr(columns, name).tolist() for name in names), strict=True)


class SettleGaps(Struct, frozen=True):
    """Marks bars of which trades may be missing as not complete, and reports the gaps."""

    VERSION: ClassVar[int] = 1

    def initial(self) -> State:
        """Return a state in which nothing is missing."""
        return State()

    def step(self, state: State, batch: Batch) -> tuple[State, Iterable[Batch]]:
        """Mark the bars of a batch that gaps touch, and add the gaps that are facts now."""
        if not state.ranges and not len(batch.breaks):
            return state, (batch,)
        complete, gaps = batch.bars.complete.copy(), []
        breaks = [Break(*row) for row in rows_of(batch.breaks, Breaks.column_names())]
        breaks.reverse()
        for number, (offset, *bar) in enumerate(rows_of(batch.bars, BAR_FIELDS)):
            while breaks and breaks[-1].offset <= offset:
                gaps += apply_break(state, breaks.pop())
            instrument, open_ns, close_ns = bar
            complete[number] &= not is_touched(state, instrument, open_ns, close_ns)
            state.closed_ns = close_ns
            if close_ns > state.due_ns:
                gaps += settle_until(state, offset, open_ns, close_ns)
        while breaks:
            gaps += apply_break(state, breaks.pop())
        if batch.end_of_log:
            gaps += settle_until(state, batch.next_offset - 1, MAX_NS, END_NS)
        columns = np.array(gaps, np.int64).reshape(len(gaps), len(Gaps.column_names())).T
        bars = replace(batch.bars, complete=complete)
        return state, (batch.replace(bars=bars, gaps=Gaps(*map(np.ascontiguousarray, columns))),)

    def snapshot(self, state: State) -> Any:
        """Return the ranges as plain values."""
        ranges = [(number, *map(astuple, each)) for number, each in sorted(state.ranges.items())]
        return state.due_ns, state.closed_ns, tuple(ranges)

    def restore(self, snapshot: Any) -> State:
        """Return the ranges of a snapshot."""
        *times, ranges = snapshot
        return State({number: [Range(*row) for row in rows] for number, *rows in ranges}, *times)


@operator
def settle(step_id: str, up: KeyedStream[Batch]) -> KeyedStream[Batch]:
    """Report the gaps of each partition, and mark the bars that they touch."""
    return op.stateful_batch("state", up, fold(SettleGaps()))
