"""The desk of one account: merges the partitions in log order and turns intents into positions.

    AccountBatch ──▶ merge ──▶ risk ──▶ paper venue ──▶ positions ──▶ facts
    (partitions)      │ horizon  │ decision   │ fill       │ position, equity
                      ▼          ▼ order      ▼            ▼

Everything below the horizon is certain and is processed at once (events.py), nothing above it is.
So the facts and their running numbers do not depend on how the partitions were read.
"""

from collections.abc import Iterable, Iterator, Mapping
from decimal import localcontext
from heapq import heappush
from typing import ClassVar

import bytewax.operators as op
from bytewax.dataflow import operator
from bytewax.operators import KeyedStream
from msgspec import Struct

from tapeflow.engine.fold import fold
from tapeflow.operators.desk.events import Fact, process_events
from tapeflow.operators.desk.selection import account_batches
from tapeflow.operators.desk.state import AccountContext, State, initial_state, restore, snapshot
from tapeflow.schemas.batches import AccountBatch, Batch
from tapeflow.schemas.decimals import DECIMAL_CONTEXT
from tapeflow.schemas.errors import TapeflowError


def check_single_partition(state: State, batch: AccountBatch, context: AccountContext) -> None:
    """Refuse an instrument that comes from two partitions: the order of its ticks would be lost.

    Raises TapeflowError, naming the instrument and both partitions.
    """
    number = context.partitions.index(batch.partition)
    partition_of = state.instrument_partition[batch.instruments]
    if (partition_of == number).all():
        return
    for code, other in zip(batch.instruments.tolist(), partition_of.tolist(), strict=True):
        if other not in (number, -1):
            raise TapeflowError(
                f"{context.instruments.ids[code]} comes from two partitions, "
                f"{context.partitions[other]} and {batch.partition}: the order of its ticks is "
                "lost; write every instrument to one partition"
            )
    state.instrument_partition[batch.instruments] = number


class Desk(Struct, frozen=True):
    """Runs each account over the batches of all partitions; the key is the account's name."""

    VERSION: ClassVar[int] = 5

    accounts: Mapping[str, AccountContext]

    @property
    def any_account(self) -> AccountContext:
        """Return one of the contexts, for the tables that all of them share."""
        return next(iter(self.accounts.values()))

    def initial(self) -> State:
        """Return the state before any record."""
        return initial_state(self.any_account)

    def step(self, state: State, batch: AccountBatch) -> tuple[State, Iterable[Fact]]:
        """Add one batch to the merge and process every event below the new horizon.

        Raises TapeflowError for an instrument that comes from two partitions.
        """
        context = self.accounts[batch.account]
        check_single_partition(state, batch, context)
        state.merge.add(batch)
        for intent in batch.intents:
            heappush(state.intents, (intent.sort_key, intent))
        if not state.merge.advance():
            return state, ()
        with localcontext(DECIMAL_CONTEXT):
            return state, list(process_events(state, context))

    def snapshot(self, state: State) -> bytes:
        """Return the state as msgpack."""
        return snapshot(state)

    def restore(self, snapshot: bytes) -> State:
        """Return the state of a snapshot."""
        return restore(snapshot, self.any_account)


@operator
def to_accounts(
    step_id: str, up: KeyedStream[Batch], *, accounts: Mapping[str, AccountContext]
) -> KeyedStream[AccountBatch]:
    """Send every batch to every account: each of them tracks the progress of all partitions."""

    def batches_of(keyed: tuple[str, Batch]) -> Iterator[tuple[str, AccountBatch]]:
        for batch in account_batches(keyed[1], accounts):
            yield batch.account, batch

    return op.flat_map("batch", up, batches_of)


@operator
def desk(
    step_id: str, up: KeyedStream[AccountBatch], *, accounts: Mapping[str, AccountContext]
) -> KeyedStream[tuple[Fact, ...]]:
    """Run the desk of each account; the key is the account's name."""
    return op.stateful_batch("state", up, fold(Desk(accounts), emit_batches=True))
