"""Trades of a partition become bars of event time; the watermark says when a bar is closed.

    trades    t1 t2 | t3   t2'   t4         W = newest event time - lateness
    W                  >---------+----->
    bars                         ^ [t1 t2 t2'] closed by t4, which brings W past its end
    late      a trade whose bar had ended by W as W stood before it: counted, in no bar

A heartbeat moves W by the log time that has passed since the newest trade came. W is the
partition's: one record may close bars of many instruments, in the order of (end, instrument).
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
from tapeflow.operators.bars import kernel as k
from tapeflow.schemas.batches import NO_BARS, Batch
from tapeflow.schemas.columns import Floats, Ints
from tapeflow.schemas.market import Bars
from tapeflow.schemas.time import MAX_NS

OPEN_ROWS_MIN = 64  # rows for open bars
CLOSED_ROWS_MIN = 512  # rows for bars that a page closes: most close fewer


@dataclass(slots=True)
class State:
    """Open bars and the watermark of one partition, changed in place."""

    clock: Ints  # see kernel.py
    heads: Ints  # by instrument: its newest open bar
    ints: Ints  # (rows, WIDTH_INTS) open bars
    floats: Floats  # (rows, WIDTH_FLOATS) open bars
    last_log_ns: int = 0  # of the last record; it closes what the end of the log closes


def empty(instruments: int) -> State:
    """Return the tables of `instruments` instruments, without a bar."""
    clock = np.array([k.NONE, k.NONE, k.NONE, k.NONE, k.NONE, MAX_NS, 0], np.int64)
    state = State(
        clock,
        np.full(instruments, k.NONE, np.int64),
        np.empty((0, k.WIDTH_INTS), np.int64),
        np.empty((0, k.WIDTH_FLOATS)),
    )
    return add_free_rows(state)


def add_free_rows(state: State) -> State:
    """Double the rows of the tables, the new ones free; return the state."""
    rows, more = len(state.ints), max(len(state.ints), OPEN_ROWS_MIN)
    fresh = np.full((more, k.WIDTH_INTS), k.NONE, np.int64)
    fresh[:, k.NEXT] = np.arange(rows + 1, rows + more + 1)
    fresh[-1, k.NEXT] = state.clock[k.FREE]
    state.clock[k.FREE] = rows
    state.ints = np.concatenate([state.ints, fresh])
    state.floats = np.concatenate([state.floats, np.zeros((more, k.WIDTH_FLOATS))])
    return state


def fold_batch(
    state: State, batch: Batch, width_ns: int, lateness_ns: int
) -> tuple[Ints, Ints, Floats]:
    """Return the verdict on each trade, and the rows of the bars closed, as integers and floats."""
    t = batch.market.trades
    verdict = t.verdict.copy()
    ints, floats = [state.ints[:0]], [state.floats[:0]]
    cursor = np.zeros(3, np.int64)
    while cursor[k.RECORD] < len(batch.status):
        if state.clock[k.FREE] == k.NONE:
            add_free_rows(state)
        cursor[k.CLOSED] = 0
        room = max(2 * len(state.ints), CLOSED_ROWS_MIN)
        closed_ints = np.empty((room, k.WIDTH_INTS), np.int64)
        closed_floats = np.empty((room, k.WIDTH_FLOATS))
        k.fold_rows(
            state.clock, state.heads, state.ints, state.floats, closed_ints, closed_floats,
            batch.first_offset, batch.log_ns, batch.status,
            t.offset, t.instrument, t.aggressor, t.event_ns, verdict, t.price, t.size,
            cursor, width_ns, lateness_ns,
        )  # fmt: skip
        count = cursor[k.CLOSED]
        ints.append(closed_ints[:count])
        floats.append(closed_floats[:count])
    return verdict, np.concatenate(ints), np.concatenate(floats)


def close_all(state: State, offset: int) -> tuple[Ints, Floats]:
    """Close every open bar after the last record, at `offset`; return their rows."""
    open_rows = np.flatnonzero(state.ints[:, k.START] != k.NONE)
    order = np.lexsort((state.ints[open_rows, k.INSTRUMENT], state.ints[open_rows, k.START]))
    ints, floats = state.ints[open_rows[order]], state.floats[open_rows[order]]
    ints[:, k.CLOSED_LOG], ints[:, k.CLOSED_OFFSET] = state.last_log_ns, offset
    tables = empty(len(state.heads))
    state.clock[k.FREE], state.clock[k.USED], state.clock[k.OLDEST] = (
        tables.clock[k.FREE],
        0,
        MAX_NS,
    )
    state.heads, state.ints, state.floats = tables.heads, tables.ints, tables.floats
    return ints, floats


def to_bars(ints: Ints, floats: Floats, width_ns: int, first_ns: int, newest_ns: int) -> Bars:
    """Return rows as columns of bars; the log covers event times from `first_ns` to `newest_ns`."""
    open_ns, instrument, log_ns, offset, _, count, first_offset, last_offset = ints.T
    opened, high, low, closed, volume, notional, buy_volume, buy_notional = floats.T[: k.CARRY]
    close_ns = np.minimum(open_ns, MAX_NS - width_ns) + width_ns
    return Bars(
        instrument, open_ns, close_ns, opened, high, low, closed, volume, notional / volume, count,
        buy_volume, notional, buy_notional, (first_ns <= open_ns) & (close_ns <= newest_ns),
        log_ns, offset, first_offset, last_offset,
    )  # fmt: skip


class TimeBars(Struct, frozen=True):
    """Bars of `width_ns` of event time, closed when the watermark has passed their end."""

    VERSION: ClassVar[int] = 2

    width_ns: int
    lateness_ns: int  # the watermark is so far behind the newest event time
    instruments: int  # in the job's table

    def initial(self) -> State:
        """Return a state without a trade, and no bar open."""
        return empty(self.instruments)

    def step(self, state: State, batch: Batch) -> tuple[State, Iterable[Batch]]:
        """Mark late trades, and add the bars that these records close."""
        verdict, ints, floats = fold_batch(state, batch, self.width_ns, self.lateness_ns)
        first_ns, newest_ns = state.clock[[k.FIRST, k.NEWEST]].tolist()
        width_ns = self.width_ns
        bars = to_bars(ints, floats, width_ns, first_ns, MAX_NS) if len(ints) else NO_BARS
        if len(batch.log_ns):
            state.last_log_ns = int(batch.log_ns[-1])
        if batch.end_of_log:
            ints, floats = close_all(state, batch.next_offset - 1)
            bars = Bars.concat([bars, to_bars(ints, floats, width_ns, first_ns, newest_ns)])
        return state, (batch.with_verdict(verdict).replace(bars=bars),)

    def snapshot(self, state: State) -> Any:
        """Return the clock and the open bars, as rows."""
        used = state.ints[:, k.START] != k.NONE
        clock = state.clock[[k.NEWEST, k.NEWEST_LOG, k.WATERMARK, k.FIRST]].tolist()
        rows = state.ints[used].tobytes(), state.floats[used].tobytes()
        return clock, state.last_log_ns, *rows

    def restore(self, snapshot: Any) -> State:
        """Return the tables of a snapshot."""
        clock, last_log_ns, ints, floats = snapshot
        state = self.initial()
        state.clock[[k.NEWEST, k.NEWEST_LOG, k.WATERMARK, k.FIRST]] = clock
        state.last_log_ns = last_log_ns
        rows = np.frombuffer(ints, np.int64).reshape(-1, k.WIDTH_INTS)
        values = np.frombuffer(floats, np.float64).reshape(-1, k.WIDTH_FLOATS)
        for row, value in zip(rows, values, strict=True):
            if state.clock[k.FREE] == k.NONE:
                add_free_rows(state)
            slot = state.clock[k.FREE]
            state.clock[k.FREE] = state.ints[slot, k.NEXT]
            state.clock[k.USED] += 1
            state.clock[k.OLDEST] = min(state.clock[k.OLDEST], row[k.START])
            state.ints[slot], state.floats[slot] = row, value
            state.ints[slot, k.NEXT] = state.heads[row[k.INSTRUMENT]]
            state.heads[row[k.INSTRUMENT]] = slot
        return state


@operator
def bars(
    step_id: str,
    up: KeyedStream[Batch],
    *,
    width_ns: int,
    lateness_ns: int,
    instruments: int,
) -> KeyedStream[Batch]:
    """Close bars of `width_ns` over the trades of each partition, of `instruments` instruments."""
    return op.stateful_batch("state", up, fold(TimeBars(width_ns, lateness_ns, instruments)))
