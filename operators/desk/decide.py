"""Decide an intent: the risk checks of its orders, then all of them, or a refusal.

    intent ─▶ orders of its legs ─▶ risk ─┬─ a Decision that says DENIED, and why
                                          └─ a Decision and an Order each ─▶ HELD ─▶ venue

Exits only reduce, so they have no exposure of their own. An intent is approved as a whole.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import NamedTuple

from msgspec.structs import replace

from tapeflow.operators.desk import slices
from tapeflow.operators.desk.actions import Release
from tapeflow.operators.desk.change import decide_change
from tapeflow.operators.desk.denial import deny
from tapeflow.operators.desk.hear import Fact, carry_out
from tapeflow.operators.desk.legs import entry_id, make_orders
from tapeflow.operators.desk.perform import hold_order
from tapeflow.operators.desk.positions import ZERO
from tapeflow.operators.desk.proposal import propose_order
from tapeflow.operators.desk.reach import reach_of_order
from tapeflow.operators.desk.risk import net as risk
from tapeflow.operators.desk.settings import DeskSettings
from tapeflow.operators.desk.state import AccountState, State
from tapeflow.schemas.accounts import Decision
from tapeflow.schemas.decimals import clamp_for_table
from tapeflow.schemas.orders import Order
from tapeflow.schemas.signals import AnyIntent, Intent, Signal
from tapeflow.schemas.time import format_time


class Verdict(NamedTuple):
    """Result of the risk checks of an order: the reason of a refusal, or "", and the details."""

    reason: str = ""
    detail: str = ""


def decide(state: State, settings: DeskSettings, intent: AnyIntent) -> Iterator[Fact]:
    """Decide an intent and carry it out; yield the facts."""
    if isinstance(intent, Intent):
        yield from decide_orders(state, settings, intent)
    else:
        yield from decide_change(state, settings, intent)


def decide_orders(state: State, settings: DeskSettings, intent: Intent) -> Iterator[Fact]:
    """Run the risk checks on the orders of an intent; send the entries. Yield the facts."""
    account = state.accounts[intent.account]
    orders = orders_of(settings, intent)
    refused, verdicts = check_orders(state, settings, account, orders, intent)
    for order, verdict in zip(orders, verdicts, strict=True):
        if refused is None or order is refused:
            yield make_decision(account, order, intent, verdict)
        if refused is None:
            numbered = replace(order, seq=account.next_seq())
            yield numbered
            hold_order(state, numbered)
    if refused is None:
        for order in orders:
            if order.role == "entry":
                yield from begin_order(state, settings, order, intent)


def begin_order(
    state: State, settings: DeskSettings, order: Order, intent: Intent
) -> Iterator[Fact]:
    """Send an entry to the venue, or its first slice."""
    position = intent.signal.position
    working = state.orders.get(order.id)
    assert working is not None, "an order that was just approved"
    if intent.slicing is None:
        yield from carry_out(state, settings, Release(order.id, order.size), position)
        return
    lot = settings.instruments.get(order.instrument).lot
    for action in slices.start(state.orders, working, intent.slicing, lot, position):
        yield from carry_out(state, settings, action, position)


def orders_of(settings: DeskSettings, intent: Intent) -> list[Order]:
    """Return the orders of an intent, each entry before its exits; these only reduce."""
    exits = tuple(replace(leg, terms=replace(leg.terms, reduce_only=True)) for leg in intent.exits)
    price = clamp_for_table(risk.reference_price(intent.signal.ref_price))
    intent = replace(intent, exits=exits) if exits else intent
    return make_orders(intent, price, partial(settings.paper.latency_ns, kind="entry"))


def check_orders(
    state: State,
    settings: DeskSettings,
    account: AccountState,
    orders: Sequence[Order],
    intent: Intent,
) -> tuple[Order | None, list[Verdict]]:
    """Run the risk checks on orders, each after those before it are approved.

    Returns the order that was refused, and the verdict on each: where one is refused, none of them
    counts in what the account is approved for.
    """
    for whole in (check_stale(state, settings, intent), check_exits(settings, intent)):
        if whole.reason:
            return orders[0], [whole] * len(orders)
    before, reach = account.approved.of(intent.signal.instrument), account.reach
    limits, verdicts = settings.accounts[account.name].limits, []
    for order in orders:
        if order.role == "exit":
            verdicts.append(Verdict("", "EXIT: only reduces what its entry has filled"))
            multiplier = settings.instruments.get(order.instrument).multiplier
            account.reach += reach_of_order(order.size, multiplier)
            continue
        proposed = propose_order(state, settings, account, order, intent.signal.ref_price)
        verdicts.append(Verdict(*risk.run_checks(account.approved, proposed, limits)))
        if verdicts[-1].reason:
            account.approved.go_back(intent.signal.instrument, before)
            account.reach = reach
            return order, verdicts + [Verdict()] * (len(orders) - len(verdicts))
        account.approved.add(proposed)
        account.reach = proposed.reach
    return None, verdicts


def check_stale(state: State, settings: DeskSettings, intent: Intent) -> Verdict:
    """Refuse an intent of what the job does not trade any more, or of a time in which it does not.

    NOT_TRADED and PAST come only of a state whose job has changed: what a partition that is new to
    it tells is of the past until it has come to where the state was.
    """
    signal = intent.signal
    if not settings.may_trade(intent.account, signal.strategy, signal.instrument):
        return Verdict("NOT_TRADED", f"NOT_TRADED: {signal.strategy} of the job that goes on")
    if state.merge.is_past(signal.position):
        return Verdict("PAST", "PAST: the state was past it when its partition was new")
    return check_warm_up(state, settings, signal)


def check_warm_up(state: State, settings: DeskSettings, signal: Signal) -> Verdict:
    """Refuse a signal in the warm-up of the log."""
    begin_ns = settings.trading_begin_ns(state.merge.first_ns)
    if signal.time_ns < begin_ns:
        return Verdict("WARM_UP", f"WARM_UP: nothing is traded before {format_time(begin_ns)}")
    return Verdict()


def check_exits(settings: DeskSettings, intent: Intent) -> Verdict:
    """Refuse an intent with an exit that would close nothing: its position would be without it."""
    lot = settings.instruments.get(intent.signal.instrument).lot
    for number, leg in enumerate(intent.exits):
        if leg.size < lot:
            detail = f"exit {number} would close {leg.size}, which is below the lot {lot}"
            return Verdict("SIZE_BELOW_LOT", f"SIZE_BELOW_LOT: {detail}")
    return Verdict()


def refuse_signal(state: State, account: str, signal: Signal, reason: str, detail: str) -> Decision:
    """Return the decision that refuses an order of which not even the size is known."""
    name = entry_id(Intent(account, signal, ZERO))
    return deny(state.accounts[account], signal, name, ZERO, (reason, detail))


def make_decision(
    account: AccountState, order: Order, intent: AnyIntent, verdict: Verdict
) -> Decision:
    """Return the fact of a decision."""
    return Decision(
        seq=account.next_seq(),
        order_id=order.id,
        signal_id=order.signal_id,
        account=account.name,
        strategy=order.strategy,
        instrument=order.instrument,
        time_ns=order.time_ns,
        side=order.side,
        size=order.size,
        ref_price=order.ref_price,
        close_ns=intent.signal.close_ns,
        decision="DENIED" if verdict.reason else "APPROVED",
        reason=verdict.reason,
        detail=verdict.detail,
    )
