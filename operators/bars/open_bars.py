"""The open bars of a partition, and those that have closed as columns."""

from dataclasses import dataclass

import numpy as np

from tapeflow.operators.bars.layout import (
    BAR,
    MIDDLE_NS,
    NEVER_MID_NS,
    NONE,
    SCALARS,
    Clock,
    Rows,
    Slots,
)
from tapeflow.schemas.batches import NO_BARS
from tapeflow.schemas.columns import Bools, Ints
from tapeflow.schemas.market import Bars
from tapeflow.schemas.time import LAST_NS

OPEN_ROWS_MIN = 64  # rows for open bars


@dataclass(slots=True)
class State:
    """Open bars and the watermark of one partition, changed in place."""

    scalars: Rows  # (1,) of SCALARS: watermark, free slots
    first_slot: Ints  # (instruments,): of its newest open bar, NONE without one
    bars: Rows  # of BAR; start_ns is NONE in a free one
    begin_ns: Ints  # (instruments,): from when the log covers it, NONE: from its first trade
    last_log_ns: int = 0  # of the last record; log time of bars that the end of the log closes
    last_offset: int = NONE  # of the last record


def empty(instruments: int) -> State:
    """Return the tables of `instruments` instruments, without a bar."""
    scalars = np.array([(*Clock(NONE, NONE, NONE, NONE), *Slots(NONE, 0, NEVER_MID_NS))], SCALARS)
    none = np.full(instruments, NONE, np.int64)
    return add_free_rows(State(scalars, none, np.empty(0, BAR), none.copy()))


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


def to_bars(rows: Rows, state: State, until_mid_ns: int) -> Bars:
    """Return rows as columns of bars; the log covers event times up to `until_mid_ns`."""
    if not len(rows):
        return NO_BARS
    first_ns = np.maximum(state.begin_ns[rows["instrument"]], state.scalars["first_ns"][0])
    whole = (first_ns <= rows["start_ns"]) & (rows["end_mid_ns"] <= until_mid_ns)
    return columns_of(rows, whole)


def columns_of(rows: Rows, complete: Bools) -> Bars:
    """Return rows as columns of bars, with whether each is complete.

    The end of a bar that ends beyond LAST_NS is LAST_NS there.
    """
    derived = {
        "open_ns": rows["start_ns"],
        "close_ns": np.minimum(rows["end_mid_ns"], LAST_NS - MIDDLE_NS) + MIDDLE_NS,
        "vwap": rows["notional"] / rows["volume"],
        "complete": complete,
    }
    columns = (derived[name] if name in derived else rows[name] for name in Bars.column_names())
    return Bars(*map(np.ascontiguousarray, columns))  # kernels need it; a field of `rows` is not
