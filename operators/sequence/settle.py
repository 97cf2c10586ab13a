"""Bars that a missing trade may belong to are not complete; what does not come later is a gap.

    event time    | bar a       | bar b       | bar c       |
    ids              7 8      9     13           14 11
    missing                   [10-12]              [10] [12]   two gaps, as soon as `PATIENCE_NS` of
    complete         no            no            yes           event time have passed

This is no hot path: where no id is missing there is nothing to do.
"""

from collections.abc import Iterable, Iterator
from typing import Any, ClassVar

import bytewax.operators as op
import numpy as np
from bytewax.dataflow import operator
from bytewax.operators import KeyedStream
from msgspec import Struct
from msgspec.structs import astuple, replace

from tapeflow.engine.fold import fold
from tapeflow.engine.renumbering import GONE
from tapeflow.operators.sequence.ranges import (
    END_NS,
    Break,
    Range,
    Row,
    State,
    apply_break,
    is_touched,
    settle_until,
)
from tapeflow.schemas.bar_width import BarWidth
from tapeflow.schemas.batches import Batch
from tapeflow.schemas.columns import Columns, Ints
from tapeflow.schemas.gaps import NO_INSTRUMENT, Breaks, Gaps
from tapeflow.schemas.time import MAX_NS

BEFORE = Gaps.column_names().index("before_ns")
BAR_FIELDS = ("offset", "instrument", "open_ns", "close_ns")


def rows_of(columns: Columns, names: Iterable[str]) -> Iterator[tuple[int, ...]]:
    """Return some columns row by row."""
    return zip(*(getattr(columns, name).tolist() for name in names), strict=True)


class SettleGaps(Struct, frozen=True):
    """Marks bars of which trades may be missing as not complete, and reports the gaps."""

    VERSION: ClassVar[int] = 2

    width: BarWidth

    def initial(self) -> State:
        """Return a state in which nothing is missing."""
        return State()

    def step(self, state: State, batch: Batch) -> tuple[State, Iterable[Batch]]:
        """Mark the bars of a batch that gaps touch, and add the gaps that are facts now."""
        if not state.ranges and not len(batch.breaks):
            return state, (batch,)
        complete = batch.bars.complete.copy()
        gaps: list[Row] = []
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
        rows = [(*gap, self.width.start_of(gap[BEFORE])) for gap in gaps]
        columns = np.array(rows, np.int64).reshape(len(rows), len(Gaps.column_names())).T
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

    def renumber(self, snapshot: Any, numbers: Ints) -> Any:
        """Return the snapshot of another table of instruments with the numbers of this one."""
        *times, ranges = snapshot
        pauses = [each for each in ranges if each[0] == NO_INSTRUMENT]
        others = [(int(numbers[each[0]]), *each[1:]) for each in ranges if each[0] != NO_INSTRUMENT]
        return *times, (*pauses, *sorted(each for each in others if each[0] != GONE))


@operator
def settle(
    step_id: str, up: KeyedStream[Batch], *, step: SettleGaps, instruments: tuple[str, ...]
) -> KeyedStream[Batch]:
    """Report gaps, and mark the bars that they touch; `instruments` are the ids by number."""
    return op.stateful_batch("state", up, fold(step, rows=instruments))
