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

STATE_VERSION = 1
SMALLEST = 1024  # slots
FREE = -1
LOW_31_BITS = 2**31 - 1  # so that no product leaves 64 bits
SPREAD = 40503  # odd, near 2^16 over the golden ratio: neighbours fall far apart


@dataclass(slots=True)
class State:
    """An open-addressing table of what was seen; the step owns it and changes it in place."""

    slots: Ints  # (capacity, 3): instrument, trade id, offset last seen at or FREE
    used: int = 0


def start() -> State:
    """Nothing seen."""
    return table_of(np.empty((0, 3), np.int64))


def step(state: State, batch: Batch, *, memory: int) -> tuple[State, Iterable[Batch]]:
    """Turn the verdict of trades seen before to DUPLICATE."""
    trades = batch.trades
    verdict = trades.verdict.copy()
    row = 0
    while row < len(trades):
        if state.used * 2 >= len(state.slots):
            state = without_forgotten(state, int(trades.offset[row]) - memory)
        row, state.used = mark(
            trades.instrument,
            trades.trade_id,
            trades.offset,
            verdict,
            state.slots,
            state.used,
            memory,
            row,
        )
    return state, (batch.but(trades=trades.judged(verdict)),)


def without_forgotten(state: State, oldest: int) -> State:
    """A table of what is still remembered."""
    return table_of(state.slots, max(oldest, 0))


def table_of(rows: Ints, oldest: int = 0) -> State:
    """A table of those rows, all different, that are not older; at most a quarter full."""
    live = int(np.count_nonzero(rows[:, 2] >= oldest))
    capacity = SMALLEST
    while live * 4 > capacity:
        capacity *= 2
    slots = np.full((capacity, 3), FREE, np.int64)
    put(rows, oldest, slots)
    return State(slots, live)


@compiled
def put(rows: Ints, oldest: int, slots: Ints) -> None:
    """Put rows that are not older into a table that has room."""
    mask = len(slots) - 1
    for row in range(len(rows)):
        if rows[row, 2] >= oldest:
            mixed = rows[row, 1] ^ (rows[row, 1] >> 31) ^ (rows[row, 0] << 20)
            slot = (mixed & LOW_31_BITS) * SPREAD >> 7 & mask
            while slots[slot, 2] != FREE:
                slot = (slot + 1) & mask
            slots[slot] = rows[row]


@compiled
def mark(  # noqa: PLR0913, PLR0917  # a kernel takes plain arrays
    instrument: Ints,
    trade_id: Ints,
    offset: Ints,
    verdict: Ints,
    slots: Ints,
    used: int,
    memory: int,
    row: int,
) -> tuple[int, int]:
    """Judge rows from `row` on until the table is half full; the next row, and slots used."""
    mask = len(slots) - 1
    while row < len(instrument) and used * 2 < len(slots):
        if verdict[row] == ACCEPTED:
            mixed = trade_id[row] ^ (trade_id[row] >> 31) ^ (instrument[row] << 20)
            slot = (mixed & LOW_31_BITS) * SPREAD >> 7 & mask
            while slots[slot, 2] != FREE and not (
                slots[slot, 1] == trade_id[row] and slots[slot, 0] == instrument[row]
            ):
                slot = (slot + 1) & mask
            if slots[slot, 2] == FREE:
                used += 1
                slots[slot, 0] = instrument[row]
                slots[slot, 1] = trade_id[row]
            elif offset[row] - slots[slot, 2] <= memory:
                verdict[row] = DUPLICATE
            slots[slot, 2] = offset[row]
        row += 1
    return row, used


def keep(state: State, *, memory: int) -> Any:
    """What is remembered, by offset."""
    live = state.slots[state.slots[:, 2] >= max(int(state.slots[:, 2].max()) - memory, 0)]
    return STATE_VERSION, live[np.argsort(live[:, 2], kind="stable")].tobytes()


def resume(kept: Any) -> State:
    """The table again."""
    version, live = kept
    assert version == STATE_VERSION, f"dedupe state of version {version}"
    return table_of(np.frombuffer(live, np.int64).reshape(-1, 3))


@operator
def dedupe(step_id: str, up: KeyedStream[Batch], *, memory: int) -> KeyedStream[Batch]:
    """Judge the trades of each partition against the last `memory` records of it."""
    return op.stateful_batch(
        "seen", up, fold(partial(step, memory=memory), start, partial(keep, memory=memory), resume)
    )
