"""Variants at desks of their own: each alone with the log, its limits and its money.

    Batch ──▶ one SweepBatch a variant ──▶ Desk, as of any job ─┬─▶ facts, of those that are stored
                                                                └─▶ else intervals, at the end

It is slow and right for whatever a job declares. A sweep keeps no state between starts.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import bytewax.operators as op
import numpy as np
from bytewax.dataflow import operator
from bytewax.operators import KeyedStream
from msgspec import Struct
from msgspec.structs import replace

from tapeflow.engine.fold import fold
from tapeflow.operators.desk.contracts import fill_value
from tapeflow.operators.desk.selection import desk_batch
from tapeflow.operators.desk.settings import DeskSettings
from tapeflow.operators.desk.state import State as DeskState
from tapeflow.operators.desk.step import Desk
from tapeflow.operators.sweep.intervals import Totals, Track, as_units, first_length_ns
from tapeflow.schemas.accounts import Equity, Position
from tapeflow.schemas.batches import Batch, DeskBatch
from tapeflow.schemas.orders import Fill
from tapeflow.schemas.time import MAX_NS


class SweepBatch(Struct, frozen=True, eq=False):
    """The part of a batch that the desk of one variant receives."""

    variant: str
    begin_ns: int  # log time of its first record
    batch: DeskBatch


@dataclass(slots=True)
class State:
    """A variant's desk, and what it made so far; changed in place."""

    variant: str
    desk: DeskState
    track: Track
    begin_ns: int = MAX_NS
    trades: int = 0
    turnover: int = 0
    fees: int = 0

    def totals(self) -> Totals:
        """Return what was made since the log began, of one variant."""
        amounts = (self.trades, self.turnover, self.fees)
        return Totals(*(np.array([each], object) for each in amounts))


class VariantDesk(Struct, frozen=True):
    """Runs the desk of each variant; the key of its stream is the variant."""

    VERSION: ClassVar[int] = 1

    desks: Mapping[str, Desk]  # by variant
    stores_facts: bool  # of all of them

    def initial(self) -> State | None:
        """Return no state: the first value names the variant."""
        return None

    def step(self, state: State | None, value: SweepBatch) -> tuple[State, Iterable[Any]]:
        """Add a batch; return facts if they are stored, and at the end of the log intervals."""
        desk = self.desks[value.variant]
        if state is None:
            length_ns = first_length_ns(desk.settings.sample_ns)
            state = State(value.variant, desk.initial(), Track(length_ns))
        state.begin_ns = min(state.begin_ns, value.begin_ns)
        state.desk, facts = desk.step(state.desk, value.batch)
        facts = list(facts)
        ended = state.desk.merge.ended
        follow_facts(state, facts, desk.settings, ended=ended)
        outputs = facts if self.stores_facts else []
        if ended and not self.stores_facts:
            outputs = [*outputs, *self.report(state, desk.settings.money.digits)]
        return state, outputs

    def report(self, state: State, digits: int) -> Iterator[Any]:
        """Yield the intervals of a variant at the end of the log."""
        end_ns = state.desk.merge.log_ns + 1
        if not state.track.intervals:  # it never traded
            state.track.sample(end_ns, np.array([0], object), state.totals())
        yield from state.track.rows((state.variant,), state.begin_ns, end_ns, digits)

    def snapshot(self, state: State | None) -> bytes:
        """Return nothing: a sweep starts over."""
        return b""

    def restore(self, snapshot: bytes) -> State | None:
        """Return the state before the first value."""
        return None


def follow_facts(
    state: State, facts: Iterable[Any], settings: DeskSettings, *, ended: bool
) -> None:
    """Add up the fills of a variant, and sample its equity where its desk does."""
    digits, end_ns = settings.money.digits, state.desk.merge.log_ns + 1
    rows = [fact for fact in facts if isinstance(fact, Fill | Position | Equity)]
    last = len(rows) - 1
    for number, fact in enumerate(rows):
        if isinstance(fact, Fill):
            state.trades += 1
            row = settings.instruments.get(fact.instrument)
            worth = fill_value(row, fact.size, fact.price, digits)
            state.turnover += as_units(worth, digits)
        elif isinstance(fact, Equity):
            state.fees = as_units(fact.fees, digits)
            is_last = ended and number == last
            equity = np.array([as_units(fact.equity, digits)], object)
            state.track.sample(end_ns if is_last else fact.time_ns, equity, state.totals())


def variant_batches(
    batch: Batch, by_variant: Mapping[str, Desk]
) -> Iterator[tuple[str, SweepBatch]]:
    """Yield what the desk of each variant is sent."""
    begin_ns = int(batch.log_ns[0]) if len(batch.log_ns) else MAX_NS
    sent: dict[tuple[bool, ...], DeskBatch] = {}  # variants of one strategy are sent the same
    for name, desk in by_variant.items():
        settings = desk.settings
        reads = (settings.sees_every_quote, settings.reads_bars, bool(settings.strategies))
        if reads not in sent:
            sent[reads] = desk_batch(batch, settings)
        intents = tuple(each for each in batch.intents if each.account in settings.accounts)
        yield name, SweepBatch(name, begin_ns, replace(sent[reads], intents=intents))


@operator
def to_desks(
    step_id: str,
    up: KeyedStream[Batch],
    *,
    by_variant: Mapping[str, Desk],
) -> KeyedStream[SweepBatch]:
    """Send each variant what its desk uses of every batch."""

    def batches_of(keyed: tuple[str, Batch]) -> Iterator[tuple[str, SweepBatch]]:
        return variant_batches(keyed[1], by_variant)

    return op.flat_map("batch", up, batches_of)


@operator
def desks(
    step_id: str,
    up: KeyedStream[SweepBatch],
    *,
    by_variant: Mapping[str, Desk],
    stores_facts: bool,
) -> KeyedStream[tuple[Any, ...]]:
    """Run the desk of each variant."""
    step = VariantDesk(by_variant, stores_facts)
    return op.stateful_batch("state", up, fold(step, emit_batches=True))
