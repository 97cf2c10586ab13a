"""Bars of the mid of bid and ask over log time, and what their quotes say besides.

    log time   | q1      q2      |         q3   |
    open, high, low, close       of the mid: where q2 is in force until q3 it is the open
    vwap (of the mid), spread, imbalance, microprice       means, weighted by time

Log time, since a venue may send quotes without a time of its own: no quote is late. A bar is closed
by the first record at or after its end. There is none where no quote came. A quote is in force
until the next one of its instrument, or a pause of the log. One that has no mid (a side is missing,
or they are crossed) is in no bar, and ends the one before. What is in force until the first quote
of a bar is in the bar from its start on. Volumes are 0, `count` is of quotes.

    imbalance = (bid size - ask size) / (bid size + ask size)
    microprice = (bid * ask size + ask * bid size) / (bid size + ask size)

A bar is not complete where the log began, ended or paused in it.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from msgspec import Struct

from tapeflow.engine.renumbering import GONE, move_rows
from tapeflow.operators.bars.layout import MIDDLE_NS, NONE, Rows
from tapeflow.operators.bars.quote_kernel import HELD, VALUES, fold_quotes
from tapeflow.operators.bars.reached import Covered, Reached, in_order
from tapeflow.operators.bars.step import places_of
from tapeflow.schemas.bar_kinds import QuoteKind
from tapeflow.schemas.batches import NO_BARS, Batch
from tapeflow.schemas.columns import Floats, Ints
from tapeflow.schemas.gaps import PAUSED
from tapeflow.schemas.market import Bars, QuoteBars
from tapeflow.schemas.time import LAST_NS

QUOTE_FIELDS = ("offset", "log_ns", "instrument", "bid", "bid_size", "ask", "ask_size")
NO_VOLUMES = ("volume", "buy_volume", "notional", "buy_notional")


@dataclass(slots=True)
class State:
    """The quote in force and the open bar of each instrument, changed in place."""

    held: Rows  # (instruments,) of HELD
    begin_ns: Ints  # (instruments,): log time from which on it is covered, NONE: as the log is


class QuoteFamily(Struct, frozen=True):
    """Bars of quotes, of one width."""

    kind: QuoteKind
    instruments: int  # in the job's table

    def initial(self) -> State:
        """Return a state without a quote."""
        held = np.zeros(self.instruments, HELD)
        held["start_ns"], held["instrument"] = NONE, np.arange(self.instruments)
        for name in VALUES:
            held[name] = np.nan
        return State(held, np.full(self.instruments, NONE, np.int64))

    def begin(self, covered: Covered) -> State:
        """Return a state without a quote, of a log that covers all from a time on."""
        state = self.initial()
        state.begin_ns[:] = covered.log_ns
        return state

    def close_bars(self, state: State, batch: Batch, reached: Reached) -> Bars:
        """Add the quotes of a batch; return the bars that its records close."""
        quotes, held = batch.market.quotes, state.held
        closed = np.empty(len(quotes) + self.instruments, HELD)
        until = reached.last_log_ns, batch.end_of_log
        columns = tuple(getattr(quotes, name) for name in QUOTE_FIELDS)
        count = fold_quotes(
            held, closed, columns, pauses_of(batch, reached), places_of(self.kind.width), *until
        )
        if not count:
            return NO_BARS
        rows = closed[:count]
        rows["log_ns"], rows["offset"] = reached.last_log_ns, batch.next_offset - 1
        return to_bars(in_order(rows, batch.log_ns - MIDDLE_NS, batch), state, reached)

    def snapshot(self, state: State) -> Any:
        """Return the rows of instruments that have had a quote or a pause, and their beginnings."""
        held = state.held
        is_new = (held["start_ns"] == NONE) & np.isnan(held["mid"]) & (held["paused_ns"] == 0)
        return held[~is_new].tobytes(), state.begin_ns.tobytes()

    def restore(self, snapshot: Any) -> State:
        """Return the tables of a snapshot."""
        encoded, begins = snapshot
        state, rows = self.initial(), np.frombuffer(encoded, HELD)
        state.held[rows["instrument"]] = rows
        state.begin_ns[:] = np.frombuffer(begins, np.int64)
        return state

    def renumber(self, snapshot: Any, numbers: Ints, covered: Covered) -> Any:
        """Return the snapshot of another table of instruments with the numbers of this one."""
        encoded, begins = snapshot
        rows = np.frombuffer(encoded, HELD).copy()
        rows["instrument"] = numbers[rows["instrument"]]
        begins_ns = np.full(self.instruments, covered.log_ns, np.int64)
        move_rows(np.frombuffer(begins, np.int64), numbers, begins_ns)
        return rows[rows["instrument"] != GONE].tobytes(), begins_ns.tobytes()


def pauses_of(batch: Batch, reached: Reached) -> tuple[Ints, Ints, Ints]:
    """Return the pauses of the log that these records have ended, as `fold_quotes` takes them."""
    breaks = batch.breaks
    if not len(breaks):
        return breaks.offset, breaks.log_ns, breaks.log_ns
    rows = breaks.kind == PAUSED
    offset, times_ns = breaks.offset[rows], np.append(reached.before_log_ns, batch.log_ns)
    return offset, breaks.log_ns[rows], times_ns[offset - batch.first_offset]


def to_bars(rows: Rows, state: State, reached: Reached) -> QuoteBars:
    """Return rows as columns of bars."""
    begin_ns = np.maximum(state.begin_ns[rows["instrument"]], reached.first_log_ns)
    derived = {
        "open_ns": rows["start_ns"],
        "close_ns": np.minimum(rows["end_mid_ns"], LAST_NS - MIDDLE_NS) + MIDDLE_NS,
        "vwap": mean(rows, "mid", "weight_ns", "close"),
        "spread": mean(rows, "spread", "weight_ns", "spread"),
        "imbalance": mean(rows, "imbalance", "size_weight_ns", "imbalance"),
        "microprice": mean(rows, "microprice", "size_weight_ns", "microprice"),
        "complete": (begin_ns <= rows["start_ns"]) & (rows["broken"] == 0),
        **dict.fromkeys(NO_VOLUMES, np.zeros(len(rows))),
    }
    names = QuoteBars.column_names()
    columns = (derived[name] if name in derived else rows[name] for name in names)
    return QuoteBars(*map(np.ascontiguousarray, columns))


def mean(rows: Rows, name: str, weight: str, last: str) -> Floats:
    """Return a mean weighted by time; the last value where no time has passed."""
    weight_ns = rows[weight]
    means: Floats = np.where(
        weight_ns > 0, rows[f"{name}_sum"] / np.maximum(weight_ns, 1), rows[last]
    )
    return means
