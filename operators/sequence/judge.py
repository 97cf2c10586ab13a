"""A trade is judged by its stamp and by its id, next to the trades that came before it.

    log_ns     t     a trade of a later time than t + `ahead_ns` is AHEAD: it moves no clock
    price      1e60  beyond the range of prices, or of sizes: OFF_MARKET
    ids        7 8 9 13            10-12 are missing: a break, for `settle.py`
    snapshot         6 8 11 14     6: from before the first one, still HISTORICAL; 8: seen before, a
                                   DUPLICATE; 11 and 14: missed until now, ACCEPTED

Every trade of the log takes its id, whatever the verdict on it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

import bytewax.operators as op
import numpy as np
from bytewax.dataflow import operator
from bytewax.operators import KeyedStream
from msgspec import Struct

from tapeflow.engine.fold import fold
from tapeflow.engine.renumbering import GONE, move_rows
from tapeflow.operators.sequence.kernel import find_breaks
from tapeflow.operators.sequence.layout import (
    BREAK,
    NONE,
    RANGE,
    RANGES_MAX,
    SEEN,
    Rows,
    no_ranges,
)
from tapeflow.schemas.batches import Batch
from tapeflow.schemas.columns import Bools, Ints
from tapeflow.schemas.gaps import Breaks
from tapeflow.schemas.time import MAX_NS


@dataclass(slots=True)
class State:
    """The ids and times that one partition has reached, changed in place."""

    seen: Rows  # (instruments,) of SEEN
    ranges: Rows  # (instruments, RANGES_MAX) of RANGE: ids that are missing
    held: Ints  # (instruments,): how many of its ranges are in use
    clock: Ints  # newest event time, log time of the record that has it, newest log time
    numbered: Bools  # (instruments,): its venue numbers trades one by one


class JudgeTrades(Struct, frozen=True):
    """Marks trades ahead of the log or out of range, finds missing ids, and takes missed trades."""

    VERSION: ClassVar[int] = 2

    numbered: tuple[bool, ...]  # by instrument: its venue numbers trades one by one
    ahead_ns: int  # MAX_NS: no trade is ahead
    pause_ns: int  # MAX_NS: the log never pauses
    disorder_ns: int  # a smaller id that is later by more than this begins a new numbering
    any_price: bool = False  # no trade is OFF_MARKET for its price or size

    def initial(self) -> State:
        """Return a state in which nothing was seen."""
        count = len(self.numbered)
        clock = np.array([NONE, NONE, MAX_NS])
        seen = np.full(count, NONE, np.int64).astype(SEEN)
        return State(seen, *no_ranges(count), clock, np.array(self.numbered, np.bool_))

    def step(self, state: State, batch: Batch) -> tuple[State, Iterable[Batch]]:
        """Judge the trades of a batch, and add the breaks in their ids and in the log."""
        t = batch.market.trades
        verdict = t.verdict.copy()
        breaks = np.empty(len(t) + len(batch.log_ns), BREAK)
        count = find_breaks(
            state.seen, state.ranges, state.held, state.clock, batch.first_offset, batch.log_ns,
            (t.offset, t.instrument, t.event_ns, t.trade_id, verdict, t.price, t.size),
            state.numbered, (self.ahead_ns, self.pause_ns, self.disorder_ns), self.any_price,
            breaks,
        )  # fmt: skip
        batch = batch.with_verdict(verdict)
        if count:
            columns = (breaks[name][:count].copy() for name in Breaks.column_names())
            batch = batch.replace(breaks=Breaks(*columns))
        return state, (batch,)

    def snapshot(self, state: State) -> Any:
        """Return the rows that are in use, as bytes."""
        used = state.ranges[state.held > 0]
        return tuple(each.tobytes() for each in (state.clock, state.seen, state.held, used))

    def restore(self, snapshot: Any) -> State:
        """Return the rows of a snapshot."""
        state, (clock, seen, held, used) = self.initial(), snapshot
        state.clock[:] = np.frombuffer(clock, np.int64)
        state.seen[:] = np.frombuffer(seen, SEEN)
        state.held[:] = np.frombuffer(held, np.int64)
        state.ranges[state.held > 0] = np.frombuffer(used, RANGE).reshape(-1, RANGES_MAX)
        return state

    def renumber(self, snapshot: Any, numbers: Ints) -> Any:
        """Return the snapshot of another table of instruments with the numbers of this one."""
        state, (clock, seen, held, used) = self.initial(), snapshot
        move_rows(np.frombuffer(seen, SEEN), numbers, state.seen)
        were_held = np.frombuffer(held, np.int64)
        move_rows(were_held, numbers, state.held)
        after = numbers[were_held > 0]
        rows = np.frombuffer(used, RANGE).reshape(-1, RANGES_MAX)[after != GONE]
        ranges = rows[np.argsort(after[after != GONE])]
        return clock, *(each.tobytes() for each in (state.seen, state.held, ranges))


@operator
def judge(
    step_id: str, up: KeyedStream[Batch], *, step: JudgeTrades, instruments: tuple[str, ...]
) -> KeyedStream[Batch]:
    """Judge the trades of each partition; `instruments` are the ids by number."""
    return op.stateful_batch("state", up, fold(step, rows=instruments))
