"""A trade seen before in its partition is a duplicate, late or not.

    trades   a1 b1 a2 a1 ... a1        (instrument, trade id)
    verdict           ^dup   ^accepted: more than `memory` records after the last a1

Memory counts records of the partition, so that what is a duplicate depends on the log alone.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import bytewax.operators as op
import numpy as np
from bytewax.dataflow import operator
from bytewax.operators import KeyedStream

from operators.compiled import compiled
from operators.fold import fold
from schemas.market import ACCEPTED, DUPLICATE, Ints
from schemas.pages import Batch

STATE_VERSION = 2
SMALLEST = 1024  # rows of a table
FREE = -1
EVER = 2**62  # records: more than any log has
LOW_31_BITS = 2**31 - 1  # so that no product leaves 64 bits
SPREAD = 1540483477  # 31 bits, odd: neighbours fall far apart, those of other instruments too
MIDDLE = 24  # bits below those that are taken of a product


@dataclass(slots=True)
class State:
    """Open-addressing tables of what was seen; the step owns them and changes them in place.

    Rows go into `young`. When it spans more records than are remembered it becomes `old`, and what
    was old is forgotten as a whole.
    """

    young: Ints  # (capacity, 3): instrument, trade id, offset last seen at or FREE
    old: Ints
    used: int = 0  # rows of young
    begin: int = 0  # nothing in young was seen before this offset


def start() -> State:
    """Nothing seen."""
    return State(empty(SMALLEST), empty(SMALLEST))


def empty(capacity: int) -> Ints:
    """A table without rows."""
    return np.full((capacity, 3), FREE, np.int64)


def step(state: State, batch: Batch, *, memory: int) -> tuple[State, Iterable[Batch]]:
    """Turn the verdict of trades seen before to DUPLICATE."""
    trades = batch.trades
    verdict = trades.verdict.copy()
    row = 0
    while row < len(trades):
        offset = int(trades.offset[row])
        if offset - state.begin > memory:
            state = State(empty(len(state.young)), state.young, begin=offset)
        elif state.used * 4 >= len(state.young) * 3:
            state.young = with_room(state.young, 2 * len(state.young))
        row, state.used = mark(
            trades.instrument, trades.trade_id, trades.offset, verdict,
            state.young, state.old, state.used, state.begin, memory, row,
        )  # fmt: skip
    return state, (batch.but(trades=trades.judged(verdict)),)


def with_room(rows: Ints, capacity: int) -> Ints:
    """A table of these rows, all different."""
    table = empty(capacity)
    live = rows[rows[:, 2] != FREE]
    verdict = np.full(len(live), ACCEPTED, np.int64)
    instrument, trade_id, offset = (np.ascontiguousarray(column) for column in live.T)
    done, _ = mark(
        instrument, trade_id, offset, verdict, table, empty(SMALLEST), 0, 0, EVER, 0
    )  # fmt: skip
    assert done == len(live), "no room"
    return table


@compiled
def mark(  # noqa: PLR0913, PLR0917  # a kernel takes plain arrays
    instrument: Ints,
    trade_id: Ints,
    offset: Ints,
    verdict: Ints,
    young: Ints,
    old: Ints,
    used: int,
    begin: int,
    memory: int,
    row: int,
) -> tuple[int, int]:
    """Judge rows from `row` on until young is full or spans too much; the next row, rows of young.

    A trade that is in young was seen there last; else old may know it.
    """
    mask, old_mask = len(young) - 1, len(old) - 1
    while row < len(instrument) and used * 4 < len(young) * 3 and offset[row] - begin <= memory:
        if verdict[row] == ACCEPTED:
            mixed = trade_id[row] ^ (trade_id[row] >> 31) ^ (instrument[row] << 20)
            mixed = (mixed & LOW_31_BITS) * SPREAD >> MIDDLE
            slot = mixed & mask
            while young[slot, 2] != FREE and not (
                young[slot, 1] == trade_id[row] and young[slot, 0] == instrument[row]
            ):
                slot = (slot + 1) & mask
            seen = young[slot, 2]
            if seen == FREE:
                used += 1
                young[slot, 0] = instrument[row]
                young[slot, 1] = trade_id[row]
                place = mixed & old_mask
                while old[place, 2] != FREE and not (
                    old[place, 1] == trade_id[row] and old[place, 0] == instrument[row]
                ):
                    place = (place + 1) & old_mask
                seen = old[place, 2]
            if seen != FREE and offset[row] - seen <= memory:
                verdict[row] = DUPLICATE
            young[slot, 2] = offset[row]
        row += 1
    return row, used


def keep(state: State, *, memory: int) -> Any:
    """What is remembered, by offset; of a trade what was seen last."""
    rows = np.concatenate([state.old, state.young])
    rows = rows[rows[:, 2] >= max(int(rows[:, 2].max()) - memory, 0)]
    instrument, trade_id, offset = rows.T
    rows = rows[np.lexsort((offset, trade_id, instrument))]
    last = np.append((rows[1:, :2] != rows[:-1, :2]).any(axis=1), True)[: len(rows)]
    rows = rows[last]
    return STATE_VERSION, rows[np.lexsort((rows[:, 1], rows[:, 0], rows[:, 2]))].tobytes()


def resume(kept: Any) -> State:
    """The table again."""
    version, live = kept
    assert version == STATE_VERSION, f"dedupe state of version {version}"
    rows = np.frombuffer(live, np.int64).reshape(-1, 3)
    capacity = SMALLEST
    while len(rows) * 2 > capacity:
        capacity *= 2
    begin = int(rows[0, 2]) if len(rows) else 0
    return State(with_room(rows, capacity), empty(SMALLEST), len(rows), begin)


@operator
def dedupe(step_id: str, up: KeyedStream[Batch], *, memory: int) -> KeyedStream[Batch]:
    """Judge the trades of each partition against the last `memory` records of it."""
    return op.stateful_batch(
        "seen", up, fold(partial(step, memory=memory), start, partial(keep, memory=memory), resume)
    )
