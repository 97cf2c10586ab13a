"""Decide a wish to cancel or to amend an order.

CancelIntent ─▶ CANCEL_RATE, MIN_REST ─▶ CANCEL_ASKED, or a Decision that says DENIED
AmendIntent  ─▶ risk, whole and what it adds   ─▶ AMEND_ASKED, or a Decision that says DENIED
"""

from collections.abc import Iterator
from decimal import Decimal

from msgspec.structs import replace

from tapeflow.operators.desk.actions import Amend, Cancel
from tapeflow.operators.desk.denial import deny
from tapeflow.operators.desk.hear import Fact, carry_out, hear
from tapeflow.operators.desk.order_checks import check_state
from tapeflow.operators.desk.positions import ZERO
from tapeflow.operators.desk.proposal import propose_order
from tapeflow.operators.desk.risk import net
from tapeflow.operators.desk.risk.amendments import check_amended
from tapeflow.operators.desk.risk.cancels import check_cancel
from tapeflow.operators.desk.risk.findings import describe
from tapeflow.operators.desk.risk.run import Handling, run_checks
from tapeflow.operators.desk.risk.supervision.notes import count_request
from tapeflow.operators.desk.settings import DeskSettings
from tapeflow.operators.desk.state import AccountState, State
from tapeflow.operators.desk.working import DONE, Working
from tapeflow.schemas.accounts import Decision
from tapeflow.schemas.ids import derive_id
from tapeflow.schemas.orders import Report, ReportKind
from tapeflow.schemas.signals import AmendIntent, CancelIntent


def decide_change(
    state: State, settings: DeskSettings, intent: CancelIntent | AmendIntent
) -> Iterator[Fact]:
    """Decide a wish about an order and carry it out; yield the facts."""
    account, position = state.accounts[intent.account], intent.signal.position
    working = state.orders.get(intent.order_id)
    if working is None or working.order.account != account.name:
        detail = f"ORDER_UNKNOWN: {intent.order_id}"
        yield refuse(state, settings, intent, ZERO, "ORDER_UNKNOWN", detail)
    elif working.phase == DONE:
        yield from hear(state, settings, refusal(intent, working))
    elif working.order.role == "child" and isinstance(intent, AmendIntent):
        detail = f"SLICE: amend {working.order.parent}, of which it is a slice"
        yield refuse(state, settings, intent, ZERO, "SLICE", detail)
    elif working.pending == "CANCEL":
        if isinstance(intent, AmendIntent):  # a second cancel asks for what is on its way
            detail = f"CANCEL_PENDING: {intent.order_id} is being canceled"
            yield refuse(state, settings, intent, ZERO, "CANCEL_PENDING", detail)
    elif isinstance(intent, CancelIntent):
        found = check_cancel(state, settings, working.order, position[0])
        if found is not None:
            yield refuse(state, settings, intent, ZERO, found.code, describe(found))
            return
        count_request(state, settings, working.order, position[0])
        yield from carry_out(state, settings, Cancel(intent.order_id, ""), position)
    else:
        added = ZERO if intent.size is None else max(intent.size - working.target, ZERO)
        reason, detail = check_added(state, settings, account, working, intent, added)
        if reason:
            yield refuse(state, settings, intent, added, reason, detail)
            return
        count_request(state, settings, working.order, position[0])
        change = Amend(intent.order_id, intent.size, intent.limit, intent.trigger)
        yield from carry_out(state, settings, change, position)


def check_added(
    state: State,
    settings: DeskSettings,
    account: AccountState,
    working: Working,
    intent: AmendIntent,
    added: Decimal,
) -> tuple[str, str]:
    """Run the risk checks on an amended order, and on what the amendment adds."""
    found = check_amended(state, settings, working, intent)
    if found is not None:
        return found.code, describe(found)
    if not added:
        return "", ""
    time_ns, partition, offset = intent.signal.position
    order = replace(working.order, size=added, time_ns=time_ns, partition=partition, offset=offset)
    ref_price = intent.signal.ref_price
    if settings.risk.counting == "net":
        refused = check_state(state, settings, order)
        if refused is not None:
            return refused.code, describe(refused)
        proposed = propose_order(state, settings, account, order, ref_price)
        return net.run_checks(account.approved, proposed, settings.accounts[account.name].limits)
    in_slices = order.id in state.orders.slices
    handling = Handling(in_slices=in_slices)
    refusal = run_checks(state, settings, order, ref_price, handling).refusal
    return ("", "") if refusal is None else (refusal.code, describe(refusal))


def refusal(intent: CancelIntent | AmendIntent, working: Working) -> Report:
    """Return the report of a wish about an order that is over."""
    kind: ReportKind = "CANCEL_REFUSED" if isinstance(intent, CancelIntent) else "AMEND_REFUSED"
    position = intent.signal.position
    return Report(working.order.id, kind, position, position[0], reason="ORDER_OVER", source="desk")


def refuse(
    state: State,
    settings: DeskSettings,
    intent: CancelIntent | AmendIntent,
    size: Decimal,
    reason: str,
    detail: str,
) -> Decision:
    """Return the decision that refuses to change an order; it has an id of its own."""
    name = derive_id("change", intent.order_id, intent.signal.id)
    return deny(state, settings, intent.account, intent.signal, name, size, (reason, detail))
