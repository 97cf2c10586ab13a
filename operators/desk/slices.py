"""Orders in slices: an order that no venue knows sends child orders, and counts what they fill.

    twap           child after child, at times that are `every_ns` apart: each brings the sum to
                   its part of the size, the last one takes what is left
    iceberg        one child of `display` at a time
    participation  at each bar a child that brings the sum to `share` of the volume since the order

    order HELD ─▶ OPEN with the first fill of a child ─▶ DONE with the last, or when it is stopped

Law, after every step: filled + what its living children may fill <= size of the order. A child that
ends unfilled gives its size back to the next one, and there is a bound on the number of children:
an order that has used them up ends EXPIRED, SLICES_OVER. Sizes are multiples of the lot, but for
the last.

Everything that happens to such an order changes its state, and `go_on` does what the state asks
for. So nothing but the state is needed to go on after a restart: `due_timers` are its timers.
"""

from collections.abc import Iterator
from decimal import Decimal

from msgspec import structs

from tapeflow.operators.desk.action_reports import reports_of
from tapeflow.operators.desk.actions import Action, Amend, Apply, Cancel, Place, Slice, Timer
from tapeflow.operators.desk.slice_plan import (
    children_max,
    end_timer,
    is_used_up,
    make_child,
    next_timer,
    target_sum,
)
from tapeflow.operators.desk.working import DONE, HELD, ZERO, Outcome, Sliced, Working
from tapeflow.operators.desk.working_orders import WorkingOrders
from tapeflow.schemas.decimals import to_decimal
from tapeflow.schemas.orders import Report, ReportKind
from tapeflow.schemas.signals import Slicing
from tapeflow.schemas.time import LogPosition

DAY_NS = 86_400_000_000_000
STOPPED = "PARENT_ENDED"  # reason of the cancel of a child


def start(
    orders: WorkingOrders, parent: Working, slicing: Slicing, lot: Decimal, position: LogPosition
) -> list[Action]:
    """Begin to execute an order in slices; it was added and is HELD."""
    order, terms = parent.order, parent.terms
    ends = {"GTD": terms.expire_ns, "DAY": (order.time_ns // DAY_NS + 1) * DAY_NS}
    sliced = Sliced(order.id, slicing, lot, ends.get(terms.tif))
    orders.slices[order.id] = sliced
    actions = go_on(orders, order.id, position)
    next_one = [] if sliced.step else next_timer(sliced, order)
    return [*actions, *next_one, *end_timer(sliced)]


def due_timers(orders: WorkingOrders) -> Iterator[Timer]:
    """Yield the timers of all orders in slices: after a restart the agenda needs them anew."""
    for sliced in orders.slices.values():
        parent = orders.by_id[sliced.order_id]
        if parent.phase != DONE:
            yield from (*next_timer(sliced, parent.order), *end_timer(sliced))


def on_child(orders: WorkingOrders, child: Working, outcome: Outcome) -> list[Action]:
    """Return what follows from a report about a child: its fills are fills of the order."""
    parent_id, report = child.order.parent, outcome.report
    living = orders.slices[parent_id].living
    if child.phase == DONE and child.order.id in living:
        living.remove(child.order.id)
    if child.phase != DONE and child.order.id not in living:
        living.append(child.order.id)  # it was lost and is found again
    if report.kind == "AMEND_REFUSED":
        parent = orders.by_id[parent_id]
        return shrink(parent, [orders.by_id[each] for each in living], by_cancel=True)
    if not outcome.is_new_fill:
        return [Slice(parent_id)]
    execution_id = f"{report.order_id}/{report.execution_id}"
    of_parent = structs.replace(
        report, order_id=parent_id, execution_id=execution_id, fee=None, fee_currency="",
        cumulative=None, venue_id="", source="desk",
    )  # fmt: skip
    return [Apply(of_parent), Slice(parent_id)]


def on_bar(
    orders: WorkingOrders, instrument: str, open_ns: int, volume: float, position: LogPosition
) -> list[Action]:
    """Return the slices that follow from the volume of a bar that opened after their orders."""
    actions: list[Action] = []
    for sliced in orders.slices.values():
        parent = orders.by_id[sliced.order_id]
        if sliced.slicing.kind == "participation" and parent.order.instrument == instrument:
            if open_ns >= parent.order.time_ns and volume > 0:
                sliced.volume += to_decimal(volume)
            actions += go_on(orders, sliced.order_id, position, at_bar=True)
    return actions


def cancel(
    orders: WorkingOrders, parent: Working, reason: str, position: LogPosition
) -> list[Action]:
    """Cancel an order in slices: its children first, then it ends."""
    sliced = orders.slices[parent.order.id]
    if parent.phase == DONE:
        return []
    sliced.end, sliced.reason = "CANCELED", reason
    if parent.phase == HELD or parent.pending == "CANCEL":
        return [Slice(parent.order.id)]
    return [own_report(parent, "CANCEL_ASKED", position, reason), Slice(parent.order.id)]


def amend(
    orders: WorkingOrders, parent: Working, change: Amend, position: LogPosition
) -> list[Action]:
    """Amend an order in slices: at once, and the prices of its living children.

    Its size is not made less than what is filled or at the venue: its children may fill it.
    """
    if parent.phase == DONE:
        return []
    if change.size is not None:
        living = orders.slices[parent.order.id].living
        least = parent.filled + sum((orders.by_id[each].leaves for each in living), ZERO)
        change = structs.replace(change, size=max(change.size, least))
    (request,) = reports_of(change, parent, position)
    actions: list[Action] = [Apply(request)]
    if parent.phase != HELD:
        actions.append(Apply(structs.replace(request, kind="AMENDED", reason="")))
    if change.limit is not None or change.trigger is not None:
        for each in orders.slices[parent.order.id].living:
            actions.append(Amend(each, limit=change.limit, trigger=change.trigger))
    return [*actions, Slice(parent.order.id)]


def go_on(
    orders: WorkingOrders, order_id: str, position: LogPosition, at_bar: bool = False
) -> list[Action]:
    """Return what an order in slices is to do now: shrink, send a slice, stop or end."""
    sliced, parent = orders.slices[order_id], orders.by_id[order_id]
    living = [orders.by_id[each] for each in sliced.living]
    if sliced.end_ns is not None and position[0] >= sliced.end_ns and not sliced.end:
        sliced.end, sliced.reason = "EXPIRED", parent.terms.tif
    if parent.phase == DONE or sliced.end:
        return stop(sliced, parent, living, position)
    actions = shrink(parent, living)
    step = sliced.step
    reached = parent.filled + sum((each.leaves for each in living), ZERO)
    size = min(target_sum(sliced, parent, position[0], at_bar), parent.size) - reached
    if size > 0 and sliced.children < children_max(sliced, parent):
        actions.append(Place(make_child(sliced, parent, size, position), size))
    elif not living and is_used_up(sliced, parent):
        sliced.end, sliced.reason = "EXPIRED", "SLICES_OVER"
        return stop(sliced, parent, living, position)
    return actions if step == sliced.step else [*actions, *next_timer(sliced, parent.order)]


def shrink(parent: Working, living: list[Working], by_cancel: bool = False) -> list[Action]:
    """Return what takes back what living children have too much, the newest first.

    A fill that comes after the end of its child, or an amendment of the order, leaves less.
    """
    staying = [each for each in living if each.pending != "CANCEL"]
    excess = parent.filled + sum((each.target - each.filled for each in staying), ZERO)
    excess -= parent.size
    actions: list[Action] = []
    for each in reversed(staying):
        if excess <= 0:
            break
        size = each.target - excess
        excess -= each.target - each.filled
        if by_cancel or size <= each.filled:
            actions.append(Cancel(each.order.id, STOPPED))
        else:
            actions.append(Amend(each.order.id, size=size, reason=STOPPED))
    return actions


def stop(
    sliced: Sliced, parent: Working, living: list[Working], position: LogPosition
) -> list[Action]:
    """Return what ends an order: cancels of its children, and its end when none lives."""
    if living and sliced.end == "EXPIRED" and parent.phase != DONE:
        return []  # they expire by themselves
    if living:
        ids = [each.order.id for each in living if each.pending != "CANCEL"]
        return [Cancel(each, STOPPED) for each in ids]
    if parent.phase == DONE:
        return []
    kind: ReportKind = "EXPIRED" if sliced.end == "EXPIRED" else "CANCELED"
    return [own_report(parent, kind, position, sliced.reason)]


def own_report(parent: Working, kind: ReportKind, position: LogPosition, reason: str = "") -> Apply:
    """Return a report of the desk about an order that no venue has."""
    return Apply(Report(parent.order.id, kind, position, position[0], reason=reason, source="desk"))
