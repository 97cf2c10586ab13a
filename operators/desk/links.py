"""Brackets and groups: what a report about one order means for the orders that are linked to it.

    entry  filled 0 ─▶ 4 ─▶ 10           size of each exit = filled by the entry
    target   HELD     4     10 ─▶ 7                          - filled by the other exits
    stop     HELD     4     10 ─fill 3─▶ DONE ...

OUO  a fill of one takes from the others, to nothing: CANCELED
OCO  a fill of one, or its trigger, cancels the others
""    each exit by itself

An exit that is smaller than its entry stays so (two targets of a half each). It follows the entry
beyond its size too, as an OVERFILL is a position like any other. Sizes are computed from what is
filled, not from the step before: so the order in which reports come makes no difference.

An entry that fills on when its exits are over (all filled, or canceled by this file) gets new ones,
with the id of the old one "again". One that was refused, has expired or was canceled by anybody
else is not replaced, and leaves the others alone.
"""

from collections.abc import Sequence
from decimal import Decimal

from msgspec import structs

from tapeflow.operators.desk import slices
from tapeflow.operators.desk.actions import Action, Amend, Cancel, Place, Release, Slice
from tapeflow.operators.desk.working import DONE, HELD, ZERO, Outcome, Working
from tapeflow.operators.desk.working_orders import WorkingOrders
from tapeflow.schemas.ids import derive_id
from tapeflow.schemas.time import LogPosition

PARENT_ENDED = "PARENT_ENDED"  # an exit whose entry ended without a fill
LINKED = (PARENT_ENDED, "OCO", "OUO")  # reasons of cancels that this file asks for
NOTHING_TO_REDUCE, ORDER_OVER = "NOTHING_TO_REDUCE", "ORDER_OVER"  # reasons of venues


def follow(orders: WorkingOrders, working: Working, outcome: Outcome) -> list[Action]:
    """Return what follows for other orders from a report about one."""
    order, kind = working.order, outcome.report.kind
    moved = outcome.is_new_fill or outcome.has_ended or (kind == "TRIGGERED" and outcome.is_news)
    answered = kind == "AMEND_REFUSED" or (kind == "AMENDED" and order.role != "entry")
    found = outcome.before == DONE != outcome.after
    if not (moved or answered or found):
        return []
    if order.role == "child":
        return slices.on_child(orders, working, outcome)
    if order.role == "exit":
        if outcome.before == HELD and not working.filled:
            return []  # it was never sent
        entry = orders.by_id[order.parent]
        return follow_exits(orders, entry, orders.members(order.group), working, outcome)
    actions = follow_entries(orders.members(order.group), working, outcome) if order.group else []
    for exits in orders.exits_of(order.id) if order.id in orders.children else ():
        actions += follow_exits(orders, working, exits, working, outcome)
    if outcome.has_ended and order.id in orders.slices:
        actions.append(Slice(order.id))
    return actions


def follow_entries(entries: Sequence[Working], working: Working, outcome: Outcome) -> list[Action]:
    """Return what follows for the entries of a group."""
    total = sum((each.filled for each in entries), ZERO)
    takes = entries[0].order.rule == "OUO"
    sizes = {
        each.order.id: each.whole - (total - each.filled) if takes else each.target
        for each in entries
    }
    return resize_group(entries, sizes, working, outcome)


def follow_exits(
    orders: WorkingOrders,
    entry: Working,
    exits: Sequence[Working],
    working: Working,
    outcome: Outcome,
) -> list[Action]:
    """Return what follows for the exits of a group; `working` is one of them, or the entry."""
    total = sum((each.filled for each in exits), ZERO)
    sizes = {}
    for each in exits:
        left = entry.filled - (total - each.filled)
        sizes[each.order.id] = min(left, each.whole) if is_part(each, entry) else left
    actions: list[Action] = []
    if entry.filled or entry.phase == DONE:
        actions += resize_group(exits, sizes, working, outcome)
    left = entry.filled - total
    if left > 0:
        filled_on = working is entry and outcome.is_new_fill
        for each in exits if filled_on else [working]:
            if may_replace(each, exits, filled_on):
                actions += replace(orders, each, entry, left, outcome.report.position)
    return actions


def is_part(exit_order: Working, entry: Working) -> bool:
    """Return whether an exit closes a part of its entry only, from the start or by an amendment."""
    order = exit_order.order
    return order.size < entry.order.size or exit_order.whole < order.size


def resize_group(
    members: Sequence[Working], sizes: dict[str, Decimal], working: Working, outcome: Outcome
) -> list[Action]:
    """Return what brings the living members of a group to their whole sizes."""
    rule = members[0].order.rule
    living = [each for each in members if each.phase != DONE and each.pending != "CANCEL"]
    if outcome.report.kind == "AMEND_REFUSED":
        if any(each is working for each in living):
            return cancel_too_large(working, sizes[working.order.id], outcome)
        return []
    if outcome.report.kind == "AMENDED":  # by somebody else, perhaps to more than is left
        living = [each for each in living if each is working]
    winner = find_winner(members, working, outcome) if rule == "OCO" else None
    actions: list[Action] = []
    for each in living:
        if winner is not None and each is not winner:
            actions.append(Cancel(each.order.id, "OCO"))
        else:
            actions += resize(each, sizes[each.order.id], rule)
    return actions


def resize(working: Working, size: Decimal, rule: str) -> list[Action]:
    """Return what brings a living order to a whole size."""
    name, waits = working.order.id, working.phase == HELD and working.order.role == "exit"
    if size <= working.filled:
        return [Cancel(name, PARENT_ENDED if waits else rule)]
    if waits:
        return [Release(name, size)]
    return [] if working.target == size else [Amend(name, size=size, reason=rule or "OTO")]


def cancel_too_large(working: Working, size: Decimal, outcome: Outcome) -> list[Action]:
    """Return the cancel of an order that the venue has refused to shrink.

    One that it refused to enlarge is amended again when more is filled, not at once and for ever.
    """
    is_final = outcome.report.reason != ORDER_OVER and not working.amendments
    return [Cancel(working.order.id, "OUO")] if is_final and size < working.size else []


def find_winner(members: Sequence[Working], working: Working, outcome: Outcome) -> Working | None:
    """Return the one of an OCO group that was filled or triggered first: it, or this one, lives."""
    moved = outcome.is_new_fill or outcome.report.kind == "TRIGGERED"
    for each in members:
        lives = each.phase != DONE or (each is working and moved and outcome.before != DONE)
        if lives and each.cancel_reason != "OCO" and (each.filled or each.triggered):
            return each
    return None


def may_replace(working: Working, exits: Sequence[Working], filled_on: bool) -> bool:
    """Return whether an exit is over for a reason of this file, so that a new one may stand in.

    A full one waits for the answers to its amendments: one of them may have made it larger.
    """
    if working.phase != DONE or working.order.role != "exit":
        return False
    if working.order.rule == "OCO" and any(
        each.phase != DONE and (each.filled or each.triggered) for each in exits
    ):
        return False
    return (
        (working.end == "CANCELED" and working.cancel_reason in LINKED)
        or (working.end == "FILLED" and working.is_full and not working.amendments)
        or (filled_on and working.reason == NOTHING_TO_REDUCE)
    )


def replace(
    orders: WorkingOrders, working: Working, entry: Working, left: Decimal, position: LogPosition
) -> list[Action]:
    """Return the order that stands in for an exit that is over, unless one does."""
    order, new_id = working.order, derive_id("order", working.order.id, "again")
    whole = working.whole - working.filled if is_part(working, entry) else order.size
    if whole <= 0 or orders.get(new_id) is not None:
        return []
    time_ns, partition, offset = position
    new = structs.replace(
        order, id=new_id, size=whole, seq=0, time_ns=time_ns, active_ns=time_ns,
        partition=partition, offset=offset, **amended_fields(working),
    )  # fmt: skip
    return [Place(new, min(whole, left) if is_part(working, entry) else left)]


def amended_fields(working: Working) -> dict[str, Decimal | None]:
    """Return the prices of an order as they were amended."""
    return {"limit": working.terms.limit, "trigger": working.terms.trigger}
