"""The desk: merges the partitions in log order and turns intents of all accounts into positions.

    DeskBatch ──▶ merge ──▶ risk ──▶ paper venue ──▶ life of orders ──▶ positions ──▶ facts
    (partitions)   │ horizon  │ decision   │ report        │ event         │ fill, position, equity
                   ▼          ▼ order      ▼               ▼               ▼

Everything below the horizon is certain and is processed at once (loop.py), nothing above it is. So
the facts and their running numbers do not depend on how the partitions were read.
"""

from collections.abc import Iterable
from decimal import localcontext
from heapq import heappush
from itertools import repeat
from typing import ClassVar

import bytewax.operators as op
from bytewax.dataflow import operator
from bytewax.operators import KeyedStream
from msgspec import Struct

from tapeflow.engine.fold import fold
from tapeflow.operators.desk.hear import Fact
from tapeflow.operators.desk.loop import process_events
from tapeflow.operators.desk.risk.supervision.rebind import follow_profits
from tapeflow.operators.desk.selection import desk_batch
from tapeflow.operators.desk.settings import DeskSettings
from tapeflow.operators.desk.snapshot import restore, snapshot
from tapeflow.operators.desk.state import DeskBar, State, initial_state
from tapeflow.schemas.batches import Batch, DeskBatch
from tapeflow.schemas.decimals import DECIMAL_CONTEXT
from tapeflow.schemas.errors import TapeflowError
from tapeflow.schemas.market import Bars

PORTFOLIO = "portfolio"  # the one key: limits, liquidity and the log's order are of all accounts


def check_single_partition(state: State, batch: DeskBatch, settings: DeskSettings) -> None:
    """Refuse an instrument that comes from two partitions: the order of its ticks would be lost.

    Raises TapeflowError, naming the instrument and both partitions.
    """
    number = settings.partitions.index(batch.partition)
    partition_of = state.instrument_partition[batch.instruments]
    if (partition_of == number).all():
        return
    for code, other in zip(batch.instruments.tolist(), partition_of.tolist(), strict=True):
        if other not in (number, -1):
            raise TapeflowError(
                f"{settings.instruments.ids[code]} comes from two partitions, "
                f"{settings.partitions[other]} and {batch.partition}: the order of its ticks is "
                "lost; write every instrument to one partition"
            )
    state.instrument_partition[batch.instruments] = number
    state.venue.changed.update(batch.instruments.tolist())  # an order may wait for its first tick


def add_bars(state: State, batch: DeskBatch, kind: str, bars: Bars, settings: DeskSettings) -> None:
    """Let the bars of a kind be passed at their positions, with the features of each."""
    needs = settings.reads.needs.get(kind, ())
    columns = [batch.features[need].tolist() for need in needs]
    features = zip(*columns, strict=True) if columns else repeat((), len(bars))
    values = bars.values(batch.partition, settings.instruments.ids)
    for bar, known in zip(values, features, strict=True):
        position = (bar.log_ns, batch.partition, bar.offset)
        name = bar.instrument.encode()
        heappush(state.bars, DeskBar(position, bar.close_ns, kind, name, bar, known))


class Desk(Struct, frozen=True):
    """Runs the accounts of a portfolio over the batches of all partitions."""

    VERSION: ClassVar[int] = 12

    settings: DeskSettings

    def initial(self) -> State:
        """Return the state before any record."""
        state = initial_state(self.settings)
        follow_profits(state, self.settings)
        return state

    def step(self, state: State, batch: DeskBatch) -> tuple[State, Iterable[Fact]]:
        """Add one batch to the merge and process every event below the new horizon.

        Raises TapeflowError for an instrument that comes from two partitions.
        """
        check_single_partition(state, batch, self.settings)
        state.merge.add(batch)
        if batch.minutes:
            state.strategies.signals.add_batch(batch.partition, batch.minutes)
        if self.settings.pays_funding:
            state.add_dues(batch)
        for command in batch.controls:
            heappush(state.risk.overrides.pending, (command.position, command))
        for intent in batch.intents:
            state.add_intent(intent)
        for kind, bars in (("", batch.bars), *batch.other_bars.items()):
            if len(bars):
                add_bars(state, batch, kind, bars, self.settings)
        if not state.merge.advance():
            return state, ()
        with localcontext(DECIMAL_CONTEXT):
            return state, list(process_events(state, self.settings))

    def snapshot(self, state: State) -> bytes:
        """Return the state as msgpack."""
        return snapshot(state)

    def restore(self, snapshot: bytes) -> State:
        """Return the state of a snapshot."""
        return restore(snapshot, self.settings)


@operator
def to_desk(
    step_id: str, up: KeyedStream[Batch], *, settings: DeskSettings
) -> KeyedStream[DeskBatch]:
    """Send the desk what it uses of every batch."""
    return op.map("batch", up, lambda keyed: (PORTFOLIO, desk_batch(keyed[1], settings)))


@operator
def desk(
    step_id: str, up: KeyedStream[DeskBatch], *, settings: DeskSettings
) -> KeyedStream[tuple[Fact, ...]]:
    """Run the desk of a portfolio; there is one key."""
    return op.stateful_batch("state", up, fold(Desk(settings), emit_batches=True))
