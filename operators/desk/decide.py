"""Decide an intent: the risk checks of its orders, then all of them, or a refusal.

    intent ─▶ orders of its legs ─▶ risk ─┬─ a Decision that says DENIED, and why
                                          └─ a Decision and an Order each ─▶ HELD ─▶ venue

Exits only reduce, so they have no exposure of their own. An intent is approved as a whole.
"""

from collections.abc import Iterator
from functools import partial

from msgspec.structs import replace

from tapeflow.operators.desk import slices
from tapeflow.operators.desk.actions import Release
from tapeflow.operators.desk.change import decide_change
from tapeflow.operators.desk.denial import deny
from tapeflow.operators.desk.hear import Fact, carry_out
from tapeflow.operators.desk.legs import entry_id, make_orders
from tapeflow.operators.desk.order_checks import Verdict, check_orders
from tapeflow.operators.desk.perform import hold_order
from tapeflow.operators.desk.positions import ZERO
from tapeflow.operators.desk.prices import quote_fields
from tapeflow.operators.desk.risk import net
from tapeflow.operators.desk.risk.findings import encode_findings
from tapeflow.operators.desk.risk.locks import unlock
from tapeflow.operators.desk.risk.proposals import limits_of
from tapeflow.operators.desk.risk.waiting import CODE as FOUR_EYES
from tapeflow.operators.desk.risk.waiting import let_wait
from tapeflow.operators.desk.settings import DeskSettings
from tapeflow.operators.desk.state import State
from tapeflow.schemas.accounts import Decision
from tapeflow.schemas.decimals import clamp_for_table
from tapeflow.schemas.orders import Order
from tapeflow.schemas.signals import AnyIntent, Intent, Signal


def decide(state: State, settings: DeskSettings, intent: AnyIntent) -> Iterator[Fact]:
    """Decide an intent and carry it out; yield the facts."""
    if isinstance(intent, Intent):
        yield from decide_orders(state, settings, intent)
    else:
        yield from decide_change(state, settings, intent)


def decide_orders(
    state: State, settings: DeskSettings, intent: Intent, approved_by: str = ""
) -> Iterator[Fact]:
    """Run the risk checks on the orders of an intent; send the entries. Yield the facts.

    One that needs a second person waits for `approve`.
    """
    account = state.accounts[intent.account]
    wanted = orders_of(settings, intent)
    unlock(state, settings, wanted[0])
    checked = check_orders(state, settings, account, wanted, intent, approved_by)
    refused, orders, verdicts = checked
    if refused is not None and verdicts[refused].reason == FOUR_EYES:
        limits, order = limits_of(state, settings, orders[refused]), orders[refused]
        until = let_wait(state, intent, order.id, limits, order.time_ns)
        verdicts[refused] = verdicts[refused]._replace(detail=verdicts[refused].detail + until)
    for number, (order, verdict) in enumerate(zip(orders, verdicts, strict=True)):
        if refused is None or number == refused:
            yield make_decision(state, settings, order, intent, verdict, approved_by)
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
    price = clamp_for_table(net.reference_price(intent.signal.ref_price))
    intent = replace(intent, exits=exits) if exits else intent
    return make_orders(intent, price, partial(settings.paper.latency_ns, kind="entry"))


def refuse_signal(
    state: State, settings: DeskSettings, account: str, signal: Signal, reason: str, detail: str
) -> Decision:
    """Return the decision that refuses an order of which not even the size is known."""
    name = entry_id(Intent(account, signal, ZERO))
    return deny(state, settings, account, signal, name, ZERO, (reason, detail))


def make_decision(
    state: State,
    settings: DeskSettings,
    order: Order,
    intent: AnyIntent,
    verdict: Verdict,
    approved_by: str,
) -> Decision:
    """Return the fact of a decision."""
    account = state.accounts[order.account]
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
        checks=encode_findings(verdict.findings),
        wanted_size=verdict.wanted_size,
        approved_by=approved_by,
        **quote_fields(state, settings, order.instrument, intent.signal.position),
    )
