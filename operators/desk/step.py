"""One account's desk: it merges the partitions in log order and turns wishes into positions.

    told ──▶ merge ──▶ risk ──▶ paper venue ──▶ ledger ──▶ facts
    (pages)   │ horizon  │ decision   │ fill       │ position, equity
              ▼          ▼ order      ▼            ▼

What is below the horizon is certain and is worked off at once (work.py); nothing else is touched.
So the facts, and their running numbers, are the same however the partitions were read.
"""

from collections.abc import Iterable, Iterator, Mapping
from decimal import localcontext
from functools import partial
from heapq import heappush

import bytewax.operators as op
import numpy as np
from bytewax.dataflow import operator
from bytewax.operators import KeyedStream

from tapeflow.engine.compiled import compiled
from tapeflow.engine.fold import fold
from tapeflow.operators.desk.events import Fact, process_events
from tapeflow.operators.desk.state import AccountContext, State, keep, resume, start
from tapeflow.schemas.batches import AccountBatch, Batch
from tapeflow.schemas.columns import Floats, Ints
from tapeflow.schemas.decimals import DECIMAL_CONTEXT, PRICE_MAX, PRICE_MIN
from tapeflow.schemas.errors import TapeflowError
from tapeflow.schemas.market import OFF_MARKET


def told(batch: Batch, *, account: str) -> AccountBatch:
    """What the desk of an account needs to know of a batch."""
    trades = batch.trades
    if not all_in_price_range(trades.price):
        payable = (trades.price >= PRICE_MIN) & (trades.price < PRICE_MAX)
        trades = trades.with_verdict(np.where(payable, trades.verdict, OFF_MARKET))
    return AccountBatch(
        account=account,
        partition=batch.partition,
        lo=batch.lo,
        hi=batch.hi,
        log_ns=int(batch.log_ns[-1]) if len(batch.log_ns) else 0,
        end=batch.end,
        trades=trades,
        quotes=batch.quotes,
        intents=tuple(intent for intent in batch.intents if intent.account == account),
    )


def step(
    state: State, said: AccountBatch, *, desks: Mapping[str, AccountContext]
) -> tuple[State, Iterable[Fact]]:
    """Hear of a page, and do all that has become certain by it."""
    desk = desks[said.account]
    check_single_partition(state, said, desk)
    state.merge.take(said)
    for intent in said.intents:
        heappush(state.intents, (intent.sort_key, intent))
    if not state.merge.advance():
        return state, ()
    with localcontext(DECIMAL_CONTEXT):
        return state, list(process_events(state, desk))


def check_single_partition(state: State, said: AccountBatch, desk: AccountContext) -> None:
    """Refuse an instrument that comes from two partitions: its order would be lost."""
    number = desk.partitions.index(said.partition)
    for codes in (said.trades.instrument, said.quotes.instrument):
        if all_from_partition(state.owner, codes, number):
            continue  # a page costs what is in it, however many instruments there are
        here = np.flatnonzero(np.bincount(codes, minlength=len(state.owner)))
        for code in here[state.owner[here] != number].tolist():
            if state.owner[code] >= 0:
                raise TapeflowError(
                    f"{desk.instruments[code].id} comes from two partitions, "
                    f"{desk.partitions[state.owner[code]]} and {said.partition}: the order of its "
                    "ticks is lost; write every instrument to one partition"
                )
            state.owner[code] = number


@compiled
def all_in_price_range(price: Floats) -> bool:
    """Can money be reckoned at each of these prices?"""
    for row in range(len(price)):  # noqa: SIM110  # numba knows no all()
        if not PRICE_MIN <= price[row] < PRICE_MAX:
            return False
    return True


@compiled
def all_from_partition(owner: Ints, codes: Ints, number: int) -> bool:
    """Does each of these instruments come from the partition of this number?"""
    for row in range(len(codes)):  # noqa: SIM110
        if owner[codes[row]] != number:
            return False
    return True


@operator
def to_accounts(
    step_id: str, up: KeyedStream[Batch], *, accounts: tuple[str, ...]
) -> KeyedStream[AccountBatch]:
    """Tell every account's desk of every batch: they all need to know how far the log has come."""

    def each(keyed: tuple[str, Batch]) -> Iterator[tuple[str, AccountBatch]]:
        for account in accounts:
            yield account, told(keyed[1], account=account)

    return op.flat_map("each", up, each)


@operator
def trade(
    step_id: str, up: KeyedStream[AccountBatch], *, desks: dict[str, AccountContext]
) -> KeyedStream[tuple[Fact, ...]]:
    """Run the desk of each account; the key is the account's."""
    some = next(iter(desks.values()))
    begin = partial(start, some.partitions, len(some.instruments))
    resumed = partial(resume, some.partitions, len(some.instruments))
    build = fold(partial(step, desks=desks), begin, keep, resumed, emit_batches=True)
    return op.stateful_batch("desk", up, build)
