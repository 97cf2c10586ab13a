"""A trade that its partition has sent before is a duplicate, whether it is late or not.

    trades   a1 b1 a2 a1 ... a1        (instrument, trade id)
    verdict           ^dup   ^accepted: more than `window` records after the last a1

The window counts records of the partition, so that duplicates depend on the log alone. Old trades,
which a snapshot brings, are remembered too from the first other trade of their instrument on.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import bytewax.operators as op
import numpy as np
from bytewax.dataflow import operator
from bytewax.operators import KeyedStream
from msgspec import Struct

from tapeflow.engine.fold import fold
from tapeflow.engine.renumbering import GONE, move_rows
from tapeflow.operators.dedupe.kernel import (
    BEGIN,
    EMPTY,
    INSTRUMENT,
    SEEN,
    mark_duplicates,
)
from tapeflow.schemas.batches import Batch
from tapeflow.schemas.columns import Bools, Ints
from tapeflow.schemas.market import ACCEPTED

CAPACITY_MIN = 1024  # rows of a table
NO_LIMIT = 2**62  # records: more than any log has


@dataclass(slots=True)
class State:
    """Two open-addressing hash tables of trades, changed in place.

    Rows are inserted into the young one. When it spans more records than the window, it becomes the
    old one, and the other the young one. A row last seen before the first offset of its table is
    free, so no table is ever cleared.
    """

    tables: Ints  # (2, 3, capacity); column by column, as most look-ups need SEEN alone
    clock: Ints  # (4,): YOUNG, USED, BEGIN, OLD_BEGIN
    live: Bools  # (instruments,): old trades of it are remembered


def empty(capacity: int, live: Bools) -> State:
    """Return tables without rows; `capacity` is a power of two."""
    return State(np.full((2, 3, capacity), EMPTY, np.int64), np.zeros(4, np.int64), live)


def grow(state: State) -> State:
    """Return the same rows in tables of twice the size."""
    young, _, begin, old_begin = state.clock.tolist()
    more = empty(2 * state.tables.shape[2], state.live)
    for which, since, before in ((1 - young, old_begin, 0), (young, begin, old_begin)):
        more.clock[:] = which, 0, since, before
        insert_rows(more, live_rows(state.tables[which], since))
    return more


def live_rows(table: Ints, begin: int) -> Ints:
    """Return the rows of a table that began at offset `begin`, as (rows, 3)."""
    rows: Ints = table[:, table[SEEN] >= begin].T
    return rows


def insert_rows(state: State, rows: Ints) -> None:
    """Insert rows, all different, into the young table."""
    verdict = np.full(len(rows), ACCEPTED, np.int64)
    instrument, trade_id, offset = (np.ascontiguousarray(column) for column in rows.T)
    columns = (instrument, trade_id, offset, verdict)
    done = mark_duplicates(state.tables, state.clock, state.live, *columns, NO_LIMIT, 0, 0)
    assert done == len(rows), "no room"


class Dedupe(Struct, frozen=True):
    """Marks trades that occurred before within the last `window` records of their partition."""

    VERSION: ClassVar[int] = 5

    window: int  # records
    instruments: int  # in the job's table
    history: bool = True  # old trades of an instrument that has sent others are remembered too

    def initial(self) -> State:
        """Return empty tables."""
        return empty(CAPACITY_MIN, np.zeros(self.instruments, np.bool_))

    def step(self, state: State, batch: Batch) -> tuple[State, Iterable[Batch]]:
        """Turn the verdict of trades seen before to DUPLICATE."""
        trades = batch.market.trades
        verdict, row = trades.verdict.copy(), 0
        columns = (trades.instrument, trades.trade_id, trades.offset, verdict)
        while True:
            row = mark_duplicates(
                state.tables, state.clock, state.live, *columns, self.window, self.history, row
            )
            if row == len(trades):
                return state, (batch.with_verdict(verdict),)
            state = grow(state)

    def snapshot(self, state: State) -> tuple[bytes, bytes]:
        """Return (instrument, trade id, last offset) of each trade in the window; and `live`."""
        young, _, begin, old_begin = state.clock.tolist()
        rows = np.concatenate(
            [live_rows(state.tables[1 - young], old_begin), live_rows(state.tables[young], begin)]
        )
        rows = rows[rows[:, SEEN] >= max(rows[:, SEEN].max(initial=0) - self.window, 0)]
        instrument, trade_id, offset = rows.T
        rows = rows[np.lexsort((offset, trade_id, instrument))]
        last = np.append((rows[1:, :SEEN] != rows[:-1, :SEEN]).any(axis=1), True)[: len(rows)]
        rows = rows[last]
        ordered = rows[np.lexsort((rows[:, 1], rows[:, 0], rows[:, 2]))]
        return ordered.tobytes(), state.live.tobytes()

    def restore(self, snapshot: tuple[bytes, bytes]) -> State:
        """Return tables with the rows of a snapshot."""
        rows = np.frombuffer(snapshot[0], np.int64).reshape(-1, 3)
        capacity = CAPACITY_MIN
        while len(rows) * 8 > capacity * 3:
            capacity *= 2
        state = empty(capacity, np.frombuffer(snapshot[1], np.bool_).copy())
        if len(rows):
            state.clock[BEGIN] = rows[0, SEEN]
        insert_rows(state, rows)
        return state

    def renumber(self, snapshot: tuple[bytes, bytes], numbers: Ints) -> tuple[bytes, bytes]:
        """Return the snapshot of another table of instruments with the numbers of this one."""
        rows = np.frombuffer(snapshot[0], np.int64).reshape(-1, 3).copy()
        rows[:, INSTRUMENT] = numbers[rows[:, INSTRUMENT]]
        live = move_rows(np.frombuffer(snapshot[1], np.bool_), numbers, self.initial().live)
        return rows[rows[:, INSTRUMENT] != GONE].tobytes(), live.tobytes()


@operator
def dedupe(
    step_id: str, up: KeyedStream[Batch], *, step: Dedupe, instruments: tuple[str, ...]
) -> KeyedStream[Batch]:
    """Mark the duplicates of each partition; `instruments` are the ids by number."""
    return op.stateful_batch("state", up, fold(step, rows=instruments))
