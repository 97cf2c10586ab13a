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
import numpy as np
from bytewax.dataflow import operator
from bytewax.operators import KeyedStream
from msgspec import Struct, structs

from tapeflow.engine.compiled import by_numbers, compiled
from tapeflow.engine.fold import fold
from tapeflow.operators.desk.events import Fact, process_events
from tapeflow.operators.desk.state import AccountContext, State, initial_state, restore, snapshot
from tapeflow.schemas.batches import AccountBatch, Batch
from tapeflow.schemas.columns import Floats, Ints
from tapeflow.schemas.decimals import DECIMAL_CONTEXT, PRICE_MAX, PRICE_MIN
from tapeflow.schemas.errors import TapeflowError
from tapeflow.schemas.market import OFF_MARKET, Market


def account_batch(batch: Batch, *, account: str) -> AccountBatch:
    """Return a batch as the desk of one account receives it."""
    return AccountBatch(
        account=account,
        partition=batch.partition,
        first_offset=batch.first_offset,
        next_offset=batch.next_offset,
        log_ns=int(batch.log_ns[-1]) if len(batch.log_ns) else 0,
        end_of_log=batch.end_of_log,
        market=with_price_range(batch.market),
        intents=tuple(intent for intent in batch.intents if intent.account == account),
    )


def with_price_range(market: Market) -> Market:
    """Mark trades at prices outside of [PRICE_MIN, PRICE_MAX) as OFF_MARKET."""
    trades = market.trades
    if all_in_price_range(trades.price):
        return market
    in_range = (trades.price >= PRICE_MIN) & (trades.price < PRICE_MAX)
    verdict = np.where(in_range, trades.verdict, OFF_MARKET)
    return structs.replace(market, trades=trades.with_verdict(verdict))


@compiled
@by_numbers
def all_in_price_range(price: Floats) -> bool:
    """Return whether all of these prices are in [PRICE_MIN, PRICE_MAX)."""
    for row in range(len(price)):  # noqa: SIM110  # numba knows no all()
        if not PRICE_MIN <= price[row] < PRICE_MAX:
            return False
    return True


def check_single_partition(state: State, batch: AccountBatch, context: AccountContext) -> None:
    """Refuse an instrument that comes from two partitions: the order of its ticks would be lost.

    Raises TapeflowError, naming the instrument and both partitions.
    """
    number = context.partitions.index(batch.partition)
    for ticks in batch.market.columns():
        if all_from_partition(state.instrument_partition, ticks.instrument, number):
            continue  # so the cost of a page does not grow with the number of instruments
        rows = np.bincount(ticks.instrument, minlength=len(state.instrument_partition))
        here = np.flatnonzero(rows)
        for code in here[state.instrument_partition[here] != number].tolist():
            other = state.instrument_partition[code]
            if other >= 0:
                raise TapeflowError(
                    f"{context.instruments.ids[code]} comes from two partitions, "
                    f"{context.partitions[other]} and {batch.partition}: the order of its ticks is "
                    "lost; write every instrument to one partition"
                )
            state.instrument_partition[code] = number


@compiled
@by_numbers
def all_from_partition(instrument_partition: Ints, codes: Ints, number: int) -> bool:
    """Return whether each of these instruments comes from the partition of this number."""
    for row in range(len(codes)):  # noqa: SIM110
        if instrument_partition[codes[row]] != number:
            return False
    return True


class Desk(Struct, frozen=True):
    """Runs each account over the batches of all partitions; the key is the account's name."""

    VERSION: ClassVar[int] = 4

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
    step_id: str, up: KeyedStream[Batch], *, accounts: tuple[str, ...]
) -> KeyedStream[AccountBatch]:
    """Send every batch to every account: each of them tracks the progress of all partitions."""

    def batches_of(keyed: tuple[str, Batch]) -> Iterator[tuple[str, AccountBatch]]:
        for account in accounts:
            yield account, account_batch(keyed[1], account=account)

    return op.flat_map("batch", up, batches_of)


@operator
def desk(
    step_id: str, up: KeyedStream[AccountBatch], *, accounts: Mapping[str, AccountContext]
) -> KeyedStream[tuple[Fact, ...]]:
    """Run the desk of each account; the key is the account's name."""
    return op.stateful_batch("state", up, fold(Desk(accounts), emit_batches=True))
