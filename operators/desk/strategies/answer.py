"""Decide what a strategy asks for, each request at once.

    Submit, Target, Close ─▶ Signal, Intent ─▶ risk ─▶ orders
    CancelOrder, AmendOrder, CancelAll ─▶ CancelIntent, AmendIntent ─▶ risk ─▶ commands
    WatchPrice, SetTimer ─▶ a call later

Every order has a signal, which names what it answers. What is not known is refused, as a decision.
"""

import math
from collections.abc import Generator, Iterator
from decimal import Decimal

from msgspec.structs import replace

from tapeflow.operators.desk.decide import decide, refuse_signal
from tapeflow.operators.desk.hear import Fact
from tapeflow.operators.desk.order_checks import check_warm_up
from tapeflow.operators.desk.positions import ZERO
from tapeflow.operators.desk.settings import DeskSettings
from tapeflow.operators.desk.state import State
from tapeflow.operators.desk.strategies.causes import Answer, make_signal
from tapeflow.operators.desk.strategies.order_changes import cancel_all, change_order
from tapeflow.operators.desk.strategies.terms import find_wrong, wrong_terms
from tapeflow.operators.strategies.order_plan import in_lots, make_intent, round_down
from tapeflow.schemas.orders import Terms
from tapeflow.schemas.sides import BUY, SELL, Side
from tapeflow.schemas.signals import Intent, Signal
from tapeflow.schemas.strategy import (
    AmendOrder,
    CancelAll,
    CancelOrder,
    Close,
    Request,
    SetTimer,
    Submit,
    Target,
    WatchPrice,
)

TO_CLOSE = Terms(reduce_only=True)


def answer(state: State, settings: DeskSettings, call: Answer, request: Request) -> Iterator[Fact]:
    """Decide a request that was checked; yield the facts."""
    if isinstance(request, Submit):
        yield from submit(state, settings, call, request)
    elif isinstance(request, Target):
        yield from approach_target(state, settings, call, request)
    elif isinstance(request, Close):
        yield from close(state, settings, call, request)
    elif isinstance(request, CancelAll):
        yield from cancel_all(state, settings, call, request.instrument)
    elif isinstance(request, CancelOrder | AmendOrder):
        yield from change_order(state, settings, call, request)
    elif isinstance(request, WatchPrice):
        state.strategies.set_watch(call.running, request)
        state.venue.changed.add(settings.instruments.number[request.instrument])
    elif isinstance(request, SetTimer):
        state.strategies.set_timer(call.running, request.name, request.due_ns)


def submit(state: State, settings: DeskSettings, call: Answer, request: Submit) -> Iterator[Fact]:
    """Send an order of a size that the request or the job says."""
    size = call.context.size(request.instrument) if request.size is None else request.size
    signal = make_signal(call, request.instrument, request.side, request.strength)
    yield signal
    intent = yield from find_intent(state, settings, call, signal, size, request.terms)
    if intent is None:
        return
    if request.exits is not None:
        intent = replace(intent, exits=request.exits, exit_rule=request.exit_rule)
        wrong = next((each for leg in request.exits for each in find_wrong(leg.terms)), None)
        if wrong is not None:
            detail = f"TERMS: of an exit: {wrong}"
            yield refuse_signal(state, settings, intent.account, signal, "TERMS", detail)
            return
    if request.slicing is not None:
        intent = replace(intent, slicing=request.slicing)
    yield from decide(state, settings, intent)


def approach_target(
    state: State, settings: DeskSettings, call: Answer, request: Target
) -> Iterator[Fact]:
    """Send an order for what is missing to a target, or too much; none where that is no lot."""
    holding = call.context.holding(request.instrument)
    missing = request.size - holding
    for working in state.orders.living_of(call.running.declared.name):
        order = working.order
        if order.instrument == request.instrument and order.role == "entry":
            missing -= order.side * working.leaves
    side: Side = BUY if missing > 0 else SELL
    size = round_down(abs(missing), call.context.instrument(request.instrument).lot)
    if not size:
        return
    signal = make_signal(call, request.instrument, side, request.strength)
    yield signal
    intent = yield from find_intent(state, settings, call, signal, size, request.terms)
    if intent is None:
        return
    if side * holding < 0 and size <= abs(holding):  # it only reduces: nothing is left to exit
        intent = replace(intent, exits=())
    yield from decide(state, settings, intent)


def close(state: State, settings: DeskSettings, call: Answer, request: Close) -> Iterator[Fact]:
    """Cancel the orders of an instrument, and send an order that closes the position."""
    yield from cancel_all(state, settings, call, request.instrument)
    holding = call.context.holding(request.instrument)
    if not holding:
        return
    side: Side = SELL if holding > 0 else BUY
    signal = make_signal(call, request.instrument, side, request.strength)
    yield signal
    terms = TO_CLOSE if request.terms is None else replace(request.terms, reduce_only=True)
    if (wrong := wrong_terms(terms)) is not None:
        yield refuse_signal(state, settings, call.running.declared.account, signal, "TERMS", wrong)
        return
    intent = Intent(call.running.declared.account, signal, abs(holding), terms)
    yield from decide(state, settings, intent)


def find_intent(
    state: State,
    settings: DeskSettings,
    call: Answer,
    signal: Signal,
    size: Decimal | None,
    terms: Terms | None,
) -> Generator[Fact, None, Intent | None]:
    """Return the intent of a signal; None, with a decision as a fact, where there can be none."""
    declared = call.running.declared
    lot = call.context.instrument(signal.instrument).lot
    floored = ZERO if size is None else in_lots(size, lot)
    reason = detail = ""
    if (warm_up := check_warm_up(state, settings, signal)).reason:
        reason, detail = "WARM_UP", warm_up.detail.removeprefix("WARM_UP: ")
    elif not settings.may_trade(declared.account, declared.name, signal.instrument):
        reason, detail = "NOT_TRADED", f"{declared.name} does not trade {signal.instrument}"
    elif math.isnan(signal.ref_price):
        reason, detail = "PRICE_UNKNOWN", f"{signal.instrument} has no trade or quote yet"
    elif size is None:
        reason, detail = "SIZE_UNKNOWN", "the size that the job declares is not known yet"
    elif floored <= 0:
        reason, detail = "SIZE_BELOW_LOT", f"{size} is below the lot {lot}"
    elif terms is not None and (wrong := wrong_terms(terms)) is not None:
        reason, detail = "TERMS", wrong
    if reason:
        yield refuse_signal(
            state, settings, declared.account, signal, reason, f"{reason}: {detail}"
        )
        return None
    row = settings.instruments.get(signal.instrument)
    return make_intent(declared, signal, row, floored, terms)
