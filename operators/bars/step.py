"""Trades of a partition become bars of event time; the watermark says when a bar is closed.

    trades    t1 t2 | t3   t2'   t4         W = newest event time - lateness
    W                  >---------+----->
    bars                         ^ [t1 t2 t2'] closed by t4, which brings W past its end
    late      a trade whose bar had ended by W before the trade came: counted, in no bar

A heartbeat advances W by the log time since the newest trade. Each partition has one W: a record
may close bars of many instruments, in the order of (end, instrument).

The log covers an instrument from its first trade on, or, where the job lists it since later, from
the newest event time at that moment on: a bar that began before is not complete.
"""

from collections.abc import Iterable
from functools import cache
from typing import Any, ClassVar

import bytewax.operators as op
import numpy as np
from bytewax.dataflow import operator
from bytewax.operators import KeyedStream
from msgspec import Struct

from tapeflow.engine.fold import fold
from tapeflow.engine.renumbering import GONE, move_rows
from tapeflow.operators.bars.kernel import fold_rows
from tapeflow.operators.bars.layout import (
    BAR,
    CURSOR,
    MIDDLE_NS,
    NEVER_MID_NS,
    NONE,
    Clock,
    Rows,
)
from tapeflow.operators.bars.open_bars import State, add_free_rows, close_all, empty, to_bars
from tapeflow.schemas.bar_width import BarWidth
from tapeflow.schemas.batches import Batch
from tapeflow.schemas.columns import Ints
from tapeflow.schemas.market import Bars
from tapeflow.schemas.time import LAST_NS

CLOSED_ROWS_MIN = 512  # rows for bars that a page closes: most close fewer


@cache
def places_of(width: BarWidth) -> tuple[int, int, Ints, Ints]:
    """Return where bars begin and end, as `fold_rows` takes it."""
    starts_ns = width.starts_ns()
    ends_mid_ns = starts_ns - MIDDLE_NS + width.lengths_ns()
    return width.span_ns, width.origin_ns, starts_ns, ends_mid_ns


def fold_batch(
    state: State, batch: Batch, width: BarWidth, lateness_ns: int, *, by_id: bool
) -> tuple[Ints, Rows]:
    """Return the verdict on each trade, (trades,), and the rows of the bars closed."""
    t = batch.market.trades
    verdict = t.verdict.copy()
    columns = (
        *(t.offset, t.instrument, t.count, t.aggressor, t.event_ns, t.trade_id),
        *(verdict, t.price, t.size),
    )
    places = places_of(width)
    closed_rows, cursor = [], np.zeros(1, CURSOR)
    while cursor["record"][0] < len(batch.status):
        if state.scalars["free"][0] == NONE:
            add_free_rows(state)
        ended = np.empty(len(state.bars), np.int64)
        closed = np.empty(max(2 * len(state.bars), CLOSED_ROWS_MIN), BAR)
        cursor["closed"] = 0
        fold_rows(
            state.scalars, state.first_slot, state.bars, ended, closed, cursor,
            batch.first_offset, batch.log_ns, batch.status, columns, places, lateness_ns, by_id,
        )  # fmt: skip
        closed_rows.append(closed[: cursor["closed"][0]].tobytes())
    # as bytes, since numpy takes ten microseconds to copy or join records
    return verdict, np.frombuffer(b"".join(closed_rows), BAR)


class TimeBars(Struct, frozen=True):
    """Bars of event time, closed when the watermark has passed their end."""

    VERSION: ClassVar[int] = 7

    width: BarWidth
    lateness_ns: int  # how far the watermark is behind the newest event time
    instruments: int  # in the job's table
    by_id: bool = True  # of one event time the larger trade id is the later; else the log decides

    def initial(self) -> State:
        """Return a state without a trade, and no bar open."""
        return empty(self.instruments)

    def step(self, state: State, batch: Batch) -> tuple[State, Iterable[Batch]]:
        """Mark late trades, and add the bars that these records close."""
        verdict, rows = fold_batch(state, batch, self.width, self.lateness_ns, by_id=self.by_id)
        bars, last_offset = to_bars(rows, state, NEVER_MID_NS), state.last_offset
        if len(batch.log_ns):
            state.last_log_ns = int(batch.log_ns[-1])
            state.last_offset = batch.next_offset - 1
        if batch.end_of_log:
            rows = close_all(state, batch.next_offset - 1)
            last = to_bars(rows, state, int(state.scalars["newest_ns"][0]) - MIDDLE_NS)
            bars = Bars.concat([bars, last])
        return state, (batch.with_verdict(verdict).replace(bars=bars, last_offset=last_offset),)

    def snapshot(self, state: State) -> Any:
        """Return the clock, the open bars as rows, and since when instruments are listed."""
        rows = state.bars[state.bars["start_ns"] != NONE].tobytes()
        clock = state.scalars[[*Clock._fields]].item()
        return clock, state.last_log_ns, state.last_offset, rows, state.begin_ns.tobytes()

    def restore(self, snapshot: Any) -> State:
        """Return the tables of a snapshot."""
        clock, last_log_ns, last_offset, rows, begin_ns = snapshot
        state = self.initial()
        state.begin_ns[:] = np.frombuffer(begin_ns, np.int64)
        state.scalars[[*Clock._fields]] = clock
        state.last_log_ns, state.last_offset = last_log_ns, last_offset
        for row in np.frombuffer(rows, BAR):
            if state.scalars["free"][0] == NONE:
                add_free_rows(state)
            slots = state.scalars[0]
            slot, instrument = slots["free"], row["instrument"]
            slots["free"] = state.bars[slot]["next"]
            slots["used"] += 1
            slots["first_end_mid_ns"] = min(slots["first_end_mid_ns"], row["end_mid_ns"])
            state.bars[slot] = row
            state.bars[slot]["next"] = state.first_slot[instrument]
            state.first_slot[instrument] = slot
        return state

    def renumber(self, snapshot: Any, numbers: Ints) -> Any:
        """Return the snapshot of another table of instruments with the numbers of this one.

        Open bars of instruments that have gone are left out.
        """
        clock, *last, encoded, begin_ns = snapshot
        rows = np.frombuffer(encoded, BAR).copy()
        rows["instrument"] = numbers[rows["instrument"]]
        newest_ns = Clock(*clock).newest_ns
        first_ns = NONE if newest_ns == NONE else min(newest_ns, LAST_NS - 1) + 1
        begins_ns = np.full(self.instruments, first_ns, np.int64)
        move_rows(np.frombuffer(begin_ns, np.int64), numbers, begins_ns)
        return clock, *last, rows[rows["instrument"] != GONE].tobytes(), begins_ns.tobytes()


@operator
def bars(
    step_id: str, up: KeyedStream[Batch], *, step: TimeBars, instruments: tuple[str, ...]
) -> KeyedStream[Batch]:
    """Close bars over the trades of each partition; `instruments` are the ids by number."""
    return op.stateful_batch("state", up, fold(step, rows=instruments))
