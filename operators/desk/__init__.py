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

from operators.compiled import compiled
from operators.desk.state import Desk, State, keep, resume, start
from operators.desk.work import Fact, work_off
from operators.fold import fold
from schemas.errors import MisuseError
from schemas.market import OFF_MARKET, Floats, Ints
from schemas.money import MONEY, PRICE_MAX, PRICE_MIN
from schemas.pages import Batch, Told


def told(batch: Batch, *, account: str) -> Told:
    """What the desk of an account needs to know of a batch."""
    trades = batch.trades
    if not all_payable(trades.price):
        payable = (trades.price >= PRICE_MIN) & (trades.price < PRICE_MAX)
        trades = trades.judged(np.where(payable, trades.verdict, OFF_MARKET))
    return Told(
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


def step(state: State, said: Told, *, desks: Mapping[str, Desk]) -> tuple[State, Iterable[Fact]]:
    """Hear of a page, and do all that has become certain by it."""
    desk = desks[said.account]
    check_owner(state, said, desk)
    state.merge.take(said)
    for intent in said.intents:
        heappush(state.intents, (intent.order_of_deciding, intent))
    if not state.merge.advance():
        return state, ()
    with localcontext(MONEY):
        return state, list(work_off(state, desk))


def check_owner(state: State, said: Told, desk: Desk) -> None:
    """Refuse an instrument that comes from two partitions: its order would be lost."""
    number = desk.partitions.index(said.partition)
    for codes in (said.trades.instrument, said.quotes.instrument):
        if all_owned(state.owner, codes, number):
            continue  # a page costs what is in it, however many instruments there are
        here = np.flatnonzero(np.bincount(codes, minlength=len(state.owner)))
        for code in here[state.owner[here] != number].tolist():
            if state.owner[code] >= 0:
                raise MisuseError(
                    f"{desk.instruments[code].id} comes from two partitions, "
                    f"{desk.partitions[state.owner[code]]} and {said.partition}: the order of its "
                    "ticks is lost; write every instrument to one partition"
                )
            state.owner[code] = number


@compiled
def all_payable(price: Floats) -> bool:
    """Can money be reckoned at each of these prices?"""
    for row in range(len(price)):  # noqa: SIM110  # numba knows no all()
        if not PRICE_MIN <= price[row] < PRICE_MAX:
            return False
    return True


@compiled
def all_owned(owner: Ints, codes: Ints, number: int) -> bool:
    """Does each of these instruments come from the partition of this number?"""
    for row in range(len(codes)):  # noqa: SIM110
        if owner[codes[row]] != number:
            return False
    return True


@operator
def by_account(
    step_id: str, up: KeyedStream[Batch], *, accounts: tuple[str, ...]
) -> KeyedStream[Told]:
    """Tell every account's desk of every batch: they all need to know how far the log has come."""

    def each(keyed: tuple[str, Batch]) -> Iterator[tuple[str, Told]]:
        for account in accounts:
            yield account, told(keyed[1], account=account)

    return op.flat_map("each", up, each)


@operator
def trade(
    step_id: str, up: KeyedStream[Told], *, desks: dict[str, Desk]
) -> KeyedStream[tuple[Fact, ...]]:
    """Run the desk of each account; the key is the account's."""
    some = next(iter(desks.values()))
    begin = partial(start, some.partitions, len(some.instruments))
    resumed = partial(resume, some.partitions, len(some.instruments))
    build = fold(partial(step, desks=desks), begin, keep, resumed, at_once=True)
    return op.stateful_batch("desk", up, build)
