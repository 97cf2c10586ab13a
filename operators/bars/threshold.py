"""Bars that close when they hold so many trades, so much volume, or so much notional.

    tick:3      [a b c][d e f][g ..         volume:5, dollar:1e6: a trade is split at the step

Trades are in log order, those that were accepted: nothing waits for a watermark, and a bar is
closed by the record of the trade that makes it full. `tick:n` has no part of a trade, so that an
aggTrade may bring a bar above n. Of the others each bar has exactly the step, and all together have
the whole volume: a trade that is larger than the rest of its bar goes on in the next. It counts in
each of its bars. One trade fills at most PARTS_MAX bars, the last of which takes all that is left.
What rounding leaves (1e-12 of the step) is none.

A bar begins at the event time of its first trade, or where the one before ended if that is later,
and ends one nanosecond after its newest: bars of an instrument never overlap, and have two times of
their own. It is not complete where the log ended or trades of it are missing in the log.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from msgspec import Struct

from tapeflow.engine.renumbering import GONE
from tapeflow.operators.bars.layout import MIDDLE_NS, NONE, Rows
from tapeflow.operators.bars.open_bars import columns_of
from tapeflow.operators.bars.reached import Covered, Reached, join_rows
from tapeflow.operators.bars.threshold_kernel import (
    DOLLAR,
    HELD,
    PARTS_MAX,
    TICK,
    VOLUME,
    fill_bars,
)
from tapeflow.schemas.bar_kinds import ThresholdKind
from tapeflow.schemas.batches import NO_BARS, Batch
from tapeflow.schemas.columns import Ints
from tapeflow.schemas.market import Bars
from tapeflow.schemas.time import LAST_NS

MEASURES = {"tick": TICK, "volume": VOLUME, "dollar": DOLLAR}
TRADE_FIELDS = (
    *("offset", "log_ns", "instrument", "count", "aggressor", "event_ns", "verdict"),
    *("price", "size"),
)
NO_ROWS = np.empty(0, HELD)
CLOSED_ROWS = PARTS_MAX + 1000  # room for the bars that are closed at once


@dataclass(slots=True)
class State:
    """The open bar of each instrument, changed in place."""

    held: Rows  # (instruments,) of HELD
    closed: Rows = field(default_factory=lambda: np.empty(CLOSED_ROWS, HELD))  # room to work in


def close_all(state: State, batch: Batch, reached: Reached) -> Rows:
    """Close every open bar after the last record, none of them complete; return them."""
    is_open = state.held["start_ns"] != NONE
    rows: Rows = state.held[is_open]
    rows["end_mid_ns"] = np.minimum(rows["newest_ns"], LAST_NS - 1) - MIDDLE_NS + 1
    rows["log_ns"], rows["offset"] = reached.last_log_ns, batch.next_offset - 1
    rows["broken"] = 1
    state.held["start_ns"][is_open] = NONE
    in_order: Rows = rows[np.lexsort((rows["instrument"], rows["end_mid_ns"]))]
    return in_order


class ThresholdBars(Struct, frozen=True):
    """Bars of one measure and step."""

    kind: ThresholdKind
    instruments: int  # in the job's table

    def initial(self) -> State:
        """Return a state without a trade."""
        held = np.zeros(self.instruments, HELD)
        held["start_ns"], held["end_mid_ns"] = NONE, -MIDDLE_NS
        held["instrument"] = np.arange(self.instruments)
        return State(held)

    def begin(self, covered: Covered) -> State:
        """Return the initial state: a bar begins with any trade."""
        return self.initial()

    def close_bars(self, state: State, batch: Batch, reached: Reached) -> Bars:
        """Add the trades of a batch; return the bars that its records close."""
        rows = self.full_rows(state, batch)
        if len(rows) > 1:
            rows = rows[np.lexsort((rows["instrument"], rows["end_mid_ns"], rows["offset"]))]
        if batch.end_of_log:
            rows = join_rows(rows, close_all(state, batch, reached))
        return columns_of(rows, rows["broken"] == 0) if len(rows) else NO_BARS

    def full_rows(self, state: State, batch: Batch) -> Rows:
        """Return the bars that trades have filled, in log order."""
        trades, breaks = batch.market.trades, batch.breaks
        if not len(trades) and not len(breaks):
            return NO_ROWS
        columns = tuple(getattr(trades, name) for name in TRADE_FIELDS)
        missing = (breaks.offset, breaks.kind, breaks.instrument)
        settings = (MEASURES[self.kind.measure], self.kind.step)
        trade, found, parts = 0, 0, []
        while trade <= len(trades):
            trade, found, count = fill_bars(
                state.held, state.closed, columns, missing, (trade, found), *settings
            )
            parts.append(state.closed[:count].tobytes())
        return np.frombuffer(b"".join(parts), HELD)

    def snapshot(self, state: State) -> Any:
        """Return the rows of instruments that have had a trade or a gap."""
        held = state.held
        is_new = (held["start_ns"] == NONE) & (held["end_mid_ns"] == -MIDDLE_NS)
        return held[~is_new | (held["broken"] != 0)].tobytes()

    def restore(self, snapshot: Any) -> State:
        """Return the rows of a snapshot."""
        state, rows = self.initial(), np.frombuffer(snapshot, HELD)
        state.held[rows["instrument"]] = rows
        return state

    def renumber(self, snapshot: Any, numbers: Ints, covered: Covered) -> Any:
        """Return the snapshot of another table of instruments with the numbers of this one."""
        rows = np.frombuffer(snapshot, HELD).copy()
        rows["instrument"] = numbers[rows["instrument"]]
        return rows[rows["instrument"] != GONE].tobytes()
