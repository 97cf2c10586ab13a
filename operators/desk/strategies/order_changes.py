"""Cancel and amend the orders of a strategy, as it asks: any other order is unknown to it.

CancelOrder, AmendOrder, CancelAll ─▶ CancelIntent, AmendIntent ─▶ risk ─▶ commands
"""

from collections.abc import Iterator
from decimal import Decimal

from msgspec.structs import replace

from tapeflow.operators.desk.change import refuse
from tapeflow.operators.desk.decide import decide
from tapeflow.operators.desk.hear import Fact
from tapeflow.operators.desk.positions import ZERO
from tapeflow.operators.desk.settings import DeskSettings
from tapeflow.operators.desk.state import State
from tapeflow.operators.desk.strategies.causes import Answer, make_signal
from tapeflow.operators.strategies.order_plan import in_lots
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
    lot = settings.instruments.get(instrument).lot
    if isinstance(request, AmendOrder) and request.size is not None:
        request = replace(request, size=in_lots(request.size, lot))
    intent = change_intent(declared.account, signal, request)
    wrong = ("ORDER_UNKNOWN", request.order_id) if order is None else wrong_change(request, lot)
    if wrong is not None:
        yield refuse(state, settings, intent, ZERO, wrong[0], f"{wrong[0]}: {wrong[1]}")
    else:
        yield from decide(state, settings, intent)


def change_intent(
    account: str, signal: Signal, request: CancelOrder | AmendOrder
) -> CancelIntent | AmendIntent:
    """Return the intent of a request to change an order."""
    if isinstance(request, CancelOrder):
        return CancelIntent(account, signal, request.order_id)
    changes = (request.size, request.limit, request.trigger)
    return AmendIntent(account, signal, request.order_id, *changes)


def wrong_change(request: CancelOrder | AmendOrder, lot: Decimal) -> tuple[str, str] | None:
    """Return code and detail of what no order can be amended to; None where it can."""
    if isinstance(request, CancelOrder):
        return None
    if request.size is not None and request.size < lot:
        return "SIZE_BELOW_LOT", f"{request.size} is below the lot {lot}"
    for name in ("limit", "trigger"):
        price = getattr(request, name)
        if price is not None and price <= 0:
            return "TERMS", f"{name} is {price}: it must be above 0"
    return None
