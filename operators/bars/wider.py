"""Bars of a width that holds several of the job's own, made of those.

    bars of 1s    |a |b |  |c |  |d ...         a wider one closes when the watermark has passed its
    bars of 5s    |a  b     c   |d ...          end, by whichever record that is

Where no trade is late, open, high, low, close, count, offsets and times are, to the bit, those of
the bars that a job of this width has. A trade is late where its bar of the job's width has ended:
it is in no wider bar either, though a job of that width might have waited for it. Sums are Kahan
sums of the sums of the bars, in the order of event time: equal but for the last digit.

A wider bar is not complete where the log began, ended or paused in it, or trades of it are missing:
by the rules for the job's own (sequence/settle.py), over its own time.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from msgspec import Struct

from tapeflow.engine.renumbering import GONE, move_rows
from tapeflow.operators.bars.layout import BAR, NEVER_MID_NS, NONE, Rows
from tapeflow.operators.bars.open_bars import columns_of
from tapeflow.operators.bars.reached import Covered, Reached, in_order, join_rows
from tapeflow.operators.bars.step import places_of
from tapeflow.operators.bars.wider_kernel import add_bars
from tapeflow.operators.sequence import ranges
from tapeflow.operators.sequence.settle import SettleGaps
from tapeflow.schemas.bar_kinds import WiderKind
from tapeflow.schemas.batches import NO_BARS, Batch
from tapeflow.schemas.columns import Ints
from tapeflow.schemas.market import Bars

BASE_FIELDS = (
    *("instrument", "open_ns", "log_ns", "offset", "first_offset", "last_offset", "count"),
    *("open", "high", "low", "close", "volume", "notional", "buy_volume", "buy_notional"),
)


@dataclass(slots=True)
class State:
    """The open bar of each instrument, and what is missing, changed in place."""

    bars: Rows  # (instruments,) of BAR, start_ns is NONE where none is open
    begin_ns: Ints  # (instruments,): from when the log covers it, NONE: from its first trade
    gaps: ranges.State
    first_end_mid_ns: int = NEVER_MID_NS  # of the open bars


class WiderBars(Struct, frozen=True):
    """Bars of one width, made of those of the job's width."""

    kind: WiderKind
    instruments: int  # in the job's table

    def initial(self) -> State:
        """Return a state without a bar."""
        bars = np.zeros(self.instruments, BAR)
        bars["start_ns"] = NONE
        return State(bars, np.full(self.instruments, NONE, np.int64), ranges.State())

    def begin(self, covered: Covered) -> State:
        """Return a state without a bar, of a log that covers all from a time on."""
        state = self.initial()
        state.begin_ns[:] = covered.event_ns
        return state

    def close_bars(self, state: State, batch: Batch, reached: Reached) -> Bars:
        """Add the bars of a batch; return those of this width that its records close."""
        rows = self.ended_rows(state, batch, reached)
        bars = NO_BARS
        if len(rows):
            end_mid_ns, begin_ns = rows["end_mid_ns"], state.begin_ns[rows["instrument"]]
            until_mid_ns = max(reached.watermark_mid_ns, reached.newest_mid_ns)
            whole = np.maximum(begin_ns, reached.first_ns) <= rows["start_ns"]
            bars = columns_of(rows, whole & (end_mid_ns <= until_mid_ns))
        if not state.gaps.ranges and not len(batch.breaks):
            return bars
        gaps = SettleGaps(self.kind.width)
        state.gaps, (settled,) = gaps.step(state.gaps, batch.replace(bars=bars))
        return settled.bars

    def ended_rows(self, state: State, batch: Batch, reached: Reached) -> Rows:
        """Take the bars that the records of a batch end, in the order of record, start, id."""
        watermark_mid_ns, base = reached.watermark_mid_ns, batch.bars
        if not len(base) and state.first_end_mid_ns > watermark_mid_ns and not batch.end_of_log:
            return state.bars[:0]
        closed = np.empty(len(base), BAR)
        columns = tuple(getattr(base, name) for name in BASE_FIELDS)
        count = add_bars(state.bars, closed, columns, places_of(self.kind.width))
        is_open = state.bars["start_ns"] != NONE
        is_ended = is_open & ((state.bars["end_mid_ns"] <= watermark_mid_ns) | batch.end_of_log)
        last = state.bars[is_ended]
        last["log_ns"], last["offset"] = reached.last_log_ns, batch.next_offset - 1
        state.bars["start_ns"][is_ended] = NONE
        ends = state.bars["end_mid_ns"][is_open & ~is_ended]
        state.first_end_mid_ns = int(ends.min(initial=NEVER_MID_NS))
        if not count and not len(last):
            return closed[:0]
        return in_order(join_rows(closed[:count], last), reached.mid_ns, batch)

    def snapshot(self, state: State) -> Any:
        """Return the open bars as rows, since when instruments are listed, and what is missing."""
        rows = state.bars[state.bars["start_ns"] != NONE].tobytes()
        return rows, state.begin_ns.tobytes(), SettleGaps(self.kind.width).snapshot(state.gaps)

    def restore(self, snapshot: Any) -> State:
        """Return the tables of a snapshot."""
        rows, begin_ns, gaps = snapshot
        state, bars = self.initial(), np.frombuffer(rows, BAR)
        state.bars[bars["instrument"]] = bars
        state.begin_ns[:] = np.frombuffer(begin_ns, np.int64)
        state.gaps = SettleGaps(self.kind.width).restore(gaps)
        state.first_end_mid_ns = int(bars["end_mid_ns"].min(initial=NEVER_MID_NS))
        return state

    def renumber(self, snapshot: Any, numbers: Ints, covered: Covered) -> Any:
        """Return the snapshot of another table of instruments with the numbers of this one."""
        encoded, begins, gaps = snapshot
        rows = np.frombuffer(encoded, BAR).copy()
        rows["instrument"] = numbers[rows["instrument"]]
        begins_ns = np.full(self.instruments, covered.event_ns, np.int64)
        move_rows(np.frombuffer(begins, np.int64), numbers, begins_ns)
        settled = SettleGaps(self.kind.width).renumber(gaps, numbers)
        return rows[rows["instrument"] != GONE].tobytes(), begins_ns.tobytes(), settled
