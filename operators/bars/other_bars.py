"""Bars of other kinds than the job's width: wider ones, of so many trades, of quotes.

    trades, quotes, bars of the job's width ──▶ a family for each kind ──▶ other_bars[kind]

Only kinds that a job needs are here; each of them is made for all instruments. A kind that a state
does not have yet begins with the next record: the log covers it from there on. So do all of them
where the state has not seen every record, because for a time the job needed none.
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
from tapeflow.operators.bars.layout import (
    MIDDLE_NS,
    NEVER_MID_NS,
    NONE,
    SCALARS,
    Clock,
    Rows,
    Slots,
)
from tapeflow.operators.bars.quotes import QuoteFamily
from tapeflow.operators.bars.reached import Covered, Reached
from tapeflow.operators.bars.threshold import ThresholdBars
from tapeflow.operators.bars.watermark import NOT_YET_MID_NS, trace_watermark
from tapeflow.operators.bars.wider import WiderBars
from tapeflow.schemas.bar_kinds import BarKind, ThresholdKind, WiderKind
from tapeflow.schemas.batches import Batch
from tapeflow.schemas.columns import Ints
from tapeflow.schemas.market import Bars
from tapeflow.schemas.time import LAST_NS

Family = WiderBars | ThresholdBars | QuoteFamily


@dataclass(slots=True)
class State:
    """The progress of the partition, and the state of each kind, changed in place."""

    last_offset: int  # of the last record, NONE before any
    scalars: Rows  # (1,) of SCALARS, of which the clock is used
    first_log_ns: int  # log time of the first record, NONE before it
    last_log_ns: int
    kinds: dict[str, Any]  # by name


class OtherBars(Struct, frozen=True):
    """Closes bars of some kinds."""

    VERSION: ClassVar[int] = 1

    kinds: tuple[BarKind, ...]
    lateness_ns: int  # how far the watermark is behind the newest event time
    instruments: int  # in the job's table

    def families(self) -> dict[str, Family]:
        """Return what makes the bars of each kind, by its name."""
        return families_of(self.kinds, self.instruments)

    def initial(self) -> State:
        """Return a state without a bar."""
        scalars = np.array(
            [(*Clock(NONE, NONE, NONE, NONE), *Slots(NONE, 0, NEVER_MID_NS))], SCALARS
        )
        return State(
            NONE, scalars, NONE, 0, {name: each.initial() for name, each in self.families().items()}
        )

    def step(self, state: State, batch: Batch) -> tuple[State, Iterable[Batch]]:
        """Add the bars of each kind that these records close; kinds without one are left out."""
        if batch.last_offset is not None and state.last_offset not in (NONE, batch.last_offset):
            state = self.initial()  # offsets themselves may have holes
        state.last_offset = batch.next_offset - 1 if len(batch.log_ns) else state.last_offset
        reached = self.reach(state, batch)
        found: dict[str, Bars] = {}
        for name, family in self.families().items():
            bars = family.close_bars(state.kinds[name], batch, reached)
            if len(bars):
                found[name] = bars
        return state, (batch.replace(other_bars=found) if found else batch,)

    def reach(self, state: State, batch: Batch) -> Reached:
        """Move the clock on by a batch; return how far it is."""
        trades, mid_ns = batch.market.trades, np.empty(len(batch.log_ns), np.int64)
        trace_watermark(
            state.scalars, batch.first_offset, batch.log_ns, batch.status,
            trades.offset, trades.event_ns, trades.verdict, self.lateness_ns, mid_ns,
        )  # fmt: skip
        newest_ns, _, watermark_mid_ns, first_ns = state.scalars[[*Clock._fields]].item()
        if newest_ns == NONE:
            watermark_mid_ns = NOT_YET_MID_NS
        before_ns = state.last_log_ns
        if len(batch.log_ns):
            state.last_log_ns = int(batch.log_ns[-1])
            if state.first_log_ns == NONE:
                state.first_log_ns = int(batch.log_ns[0])
        log_times_ns = state.first_log_ns, before_ns, state.last_log_ns
        return Reached(mid_ns, watermark_mid_ns, first_ns, newest_ns - MIDDLE_NS, *log_times_ns)

    def snapshot(self, state: State) -> Any:
        """Return the clocks, and the snapshot of each kind by name."""
        families = self.families()
        kinds = {name: each.snapshot(state.kinds[name]) for name, each in families.items()}
        clock = state.scalars[[*Clock._fields]].item()
        return state.last_offset, clock, state.first_log_ns, state.last_log_ns, kinds

    def restore(self, snapshot: Any) -> State:
        """Return the state of a snapshot; kinds may have come and gone since."""
        last_offset, clock, first_log_ns, last_log_ns, kinds = snapshot
        state, covered = self.initial(), covered_from(clock, last_log_ns)
        state.scalars[[*Clock._fields]] = clock
        state.last_offset = last_offset
        state.first_log_ns, state.last_log_ns = first_log_ns, last_log_ns
        for name, family in self.families().items():
            is_old = name in kinds
            state.kinds[name] = family.restore(kinds[name]) if is_old else family.begin(covered)
        return state

    def renumber(self, snapshot: Any, numbers: Ints) -> Any:
        """Return the snapshot of another table of instruments with the numbers of this one."""
        *place, clock, first_log_ns, last_log_ns, kinds = snapshot
        families, covered = self.families(), covered_from(clock, last_log_ns)
        moved = {
            name: families[name].renumber(each, numbers, covered)
            for name, each in kinds.items()
            if name in families
        }
        return *place, clock, first_log_ns, last_log_ns, moved


def covered_from(clock: tuple[int, ...], last_log_ns: int) -> Covered:
    """Return from when on the log covers what is new at this moment; NONE before any trade."""
    newest_ns = Clock(*clock).newest_ns
    event_ns = NONE if newest_ns == NONE else min(newest_ns, LAST_NS - 1) + 1
    return Covered(event_ns, last_log_ns + 1)


@cache
def families_of(kinds: tuple[BarKind, ...], instruments: int) -> dict[str, Family]:
    """Return what makes the bars of each kind, by its name."""
    return {each.name: family_of(each, instruments) for each in kinds}


def family_of(kind: BarKind, instruments: int) -> Family:
    """Return what makes the bars of a kind."""
    if isinstance(kind, WiderKind):
        return WiderBars(kind, instruments)
    if isinstance(kind, ThresholdKind):
        return ThresholdBars(kind, instruments)
    return QuoteFamily(kind, instruments)


@operator
def other_bars(
    step_id: str, up: KeyedStream[Batch], *, step: OtherBars, instruments: tuple[str, ...]
) -> KeyedStream[Batch]:
    """Close bars of other kinds in each partition; `instruments` are the ids by number."""
    return op.stateful_batch("state", up, fold(step, rows=instruments))
