"""Cancel and amend the orders of a strategy, as it asks: any other order is unknown to it.

CancelOrder, AmendOrder, CancelAll ─▶ CancelIntent, AmendIntent ─▶ risk ─▶ commands
"""

from collections.abc import Iterator
from decimal import Decimal

from tapeflow.operators.desk.change import refuse
from tapeflow.operators.desk.decide import decide
from tapeflow.operators.desk.hear import Fact
from tapeflow.operators.desk.positions import ZERO
from tapeflow.operators.desk.settings import DeskSettings
from tapeflow.operators.desk.state import State
from tapeflow.operators.desk.strategies.causes import Answer, make_signal
from tapeflow.schemas.decimals import to_decimal
from tapeflow.schemas.sides import BUY
from tapeflow.schemas.signals import AmendIntent, CancelIntent, Signal
from tapeflow.schemas.strategy import AmendOrder, CancelOrder


def cancel_all(
    state: State, settings: DeskSettings, call: Answer, instrument: str | None
) -> Iterator[Fact]:
    """Cancel the orders of a strategy, in one instrument or in all."""
    for each in call.context.orders(instrument):
        if each.role != "child" and each.pending != "CANCEL":
            yield from change_order(state, settings, call, CancelOrder(each.id))


def change_order(
    state: State, settings: DeskSettings, call: Answer, request: CancelOrder | AmendOrder
) -> Iterator[Fact]:
    """Cancel or amend an order of its own; any other is unknown to it."""
    declared = call.running.declared
    working = state.orders.get(request.order_id)
    order = None if working is None or working.order.strategy != declared.name else working.order
    instrument = call.running.instruments[0] if order is None else order.instrument
    signal = make_signal(call, instrument, BUY if order is None else order.side, 0.0)
    intent = change_intent(declared.account, signal, request)
    if order is None:
        detail = f"ORDER_UNKNOWN: {request.order_id}"
        account = state.accounts[declared.account]
        yield refuse(account, intent, ZERO, "ORDER_UNKNOWN", detail)
    else:
        yield from decide(state, settings, intent)


def change_intent(
    account: str, signal: Signal, request: CancelOrder | AmendOrder
) -> CancelIntent | AmendIntent:
    """Return the intent of a request to change an order."""
    if isinstance(request, CancelOrder):
        return CancelIntent(account, signal, request.order_id)
    changes = (
        None if each is None else exact(each)
        for each in (request.size, request.limit, request.trigger)
    )
    return AmendIntent(account, signal, request.order_id, *changes)


def exact(value: Decimal | float) -> Decimal:
    """Return a size or price of a strategy as a decimal."""
    return value if isinstance(value, Decimal) else to_decimal(float(value))
