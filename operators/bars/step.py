"""Trades of a partition become bars of event time; the watermark says when a bar is closed.

    trades    t1 t2 | t3   t2'   t4         W = newest event time - lateness
    W                  >---------+----->
    bars                         ^ [t1 t2 t2'] closed by t4, which brings W past its end
    late      a trade whose bar had ended by W before the trade came: counted, in no bar

A heartbeat advances W by the log time since the newest trade. Each partition has one W: a record
may close bars of many instruments, in the order of (end, instrument).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

import bytewax.operators as op
import numpy as np
from bytewax.dataflow import operator
from bytewax.operators import KeyedStream
from msgspec import Struct

from tapeflow.engine.fold import fold
from tapeflow.operators.bars.kernel import fold_rows
from tapeflow.operators.bars.layout import (
    BAR,
    CURSOR,
    MIDDLE_NS,
    NEVER_MID_NS,
    NONE,
    SCALARS,
    Clock,
    Rows,
    Slots,
)
from tapeflow.schemas.bar_width import BarWidth
from tapeflow.schemas.batches import NO_BARS, Batch
from tapeflow.schemas.columns import Ints
from tapeflow.schemas.market import Bars
from tapeflow.schemas.time import LAST_NS

OPEN_ROWS_MIN = 64  # rows for open bars
CLOSED_ROWS_MIN = 512  # rows for bars that a page closes: most close fewer


@dataclass(slots=True)
class State:
    """Open bars and the watermark of one partition, changed in place."""

    scalars: Rows  # (1,) of SCALARS: watermark, free slots
    first_slot: Ints  # (instruments,): of its newest open bar, NONE without one
    bars: Rows  # of BAR; start_ns is NONE in a free one
    last_log_ns: int = 0  # of the last record; log time of bars that the end of the log closes


def empty(instruments: int) -> State:
    """Return the tables of `instruments` instruments, without a bar."""
    scalars = np.array([(*Clock(NONE, NONE, NONE, NONE), *Slots(NONE, 0, NEVER_MID_NS))], SCALARS)
    state = State(scalars, np.full(instruments, NONE, np.int64), np.empty(0, BAR))
    return add_free_rows(state)


def add_free_rows(state: State) -> State:
    """Double the rows of the table, the new ones free; return the state."""
    rows, more = len(state.bars), max(len(state.bars), OPEN_ROWS_MIN)
    bars = np.zeros(rows + more, BAR)
    bars[:rows] = state.bars
    bars["start_ns"][rows:] = NONE
    bars["next"][rows:] = np.arange(rows + 1, rows + more + 1)
    bars["next"][-1] = state.scalars["free"][0]
    state.scalars["free"], state.bars = rows, bars
    return state


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


def close_all(state: State, offset: int) -> Rows:
    """Close every open bar after the last record, at `offset`; return them."""
    bars: Rows = state.bars[state.bars["start_ns"] != NONE]
    bars = bars[np.lexsort((bars["instrument"], bars["start_ns"]))]
    bars["log_ns"], bars["offset"] = state.last_log_ns, offset
    tables = empty(len(state.first_slot))
    for name in Slots._fields:
        state.scalars[name] = tables.scalars[name]
    state.first_slot, state.bars = tables.first_slot, tables.bars
    return bars


def to_bars(rows: Rows, first_ns: int, until_mid_ns: int) -> Bars:
    """Return rows as columns of bars; the log covers event times from `first_ns` to an end.

    The end of a bar that ends beyond LAST_NS is LAST_NS there.
    """
    if not len(rows):
        return NO_BARS
    open_ns, end_mid_ns = rows["start_ns"], rows["end_mid_ns"]
    derived = {
        "open_ns": open_ns,
        "close_ns": np.minimum(end_mid_ns, LAST_NS - MIDDLE_NS) + MIDDLE_NS,
        "vwap": rows["notional"] / rows["volume"],
        "complete": (first_ns <= open_ns) & (end_mid_ns <= until_mid_ns),
    }
    columns = (derived[name] if name in derived else rows[name] for name in Bars.column_names())
    return Bars(*map(np.ascontiguousarray, columns))  # a field of rows is none, as kernels need


class TimeBars(Struct, frozen=True):
    """Bars of event time, closed when the watermark has passed their end."""

    VERSION: ClassVar[int] = 5

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
        first_ns, newest_ns = state.scalars[["first_ns", "newest_ns"]].item()
        bars = to_bars(rows, first_ns, NEVER_MID_NS)
        if len(batch.log_ns):
            state.last_log_ns = int(batch.log_ns[-1])
        if batch.end_of_log:
            rows = close_all(state, batch.next_offset - 1)
            last = to_bars(rows, first_ns, newest_ns - MIDDLE_NS)
            bars = Bars.concat([bars, last])
        return state, (batch.with_verdict(verdict).replace(bars=bars),)

    def snapshot(self, state: State) -> Any:
        """Return the clock and the open bars, as rows."""
        rows = state.bars[state.bars["start_ns"] != NONE].tobytes()
        return state.scalars[[*Clock._fields]].item(), state.last_log_ns, rows

    def restore(self, snapshot: Any) -> State:
        """Return the tables of a snapshot."""
        clock, last_log_ns, rows = snapshot
        state = self.initial()
        state.scalars[[*Clock._fields]], state.last_log_ns = clock, last_log_ns
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


@operator
def bars(step_id: str, up: KeyedStream[Batch], *, step: TimeBars) -> KeyedStream[Batch]:
    """Close bars over the trades of each partition."""
    return op.stateful_batch("state", up, fold(step))
