"""Orders enter: they are checked, accepted, take, and rest or wait: docs/paper.md 2, 3.

on its way ──▶ REJECTED
──▶ ACCEPTED ──▶ takes ──▶ rests | waits | IOC_REST | FOK_SHORT
"""

from tapeflow.operators.desk.venue.ahead import learn_ahead
from tapeflow.operators.desk.venue.checks import find_refusal
from tapeflow.operators.desk.venue.ends import finish
from tapeflow.operators.desk.venue.met import MEETINGS, UNMET, Met
from tapeflow.operators.desk.venue.orders import PaperOrder, Stage
from tapeflow.operators.desk.venue.self_trade import prevent_self_trade
from tapeflow.operators.desk.venue.state import VenueState
from tapeflow.operators.desk.venue.taking import take
from tapeflow.operators.desk.venue.visit import Visit


def enter_orders(venue: VenueState, visit: Visit) -> None:
    """Let the orders that see a row enter, and amended ones take, by (A, number)."""
    for order_id in visit.book.reach("way", visit.venue_ns):
        order = venue.orders.get(order_id)
        if order is None or not visit.sees(order):
            continue
        if order.retake:
            retake(venue, visit, order)
        elif order.waits_for_trigger:
            enter(venue, visit, order, UNMET)
        else:
            met = MEETINGS[venue.rules.model](visit, order.side)
            if met is not None:
                enter(venue, visit, order, met)


def enter(
    venue: VenueState, visit: Visit, order: PaperOrder, met: Met, at_ns: int | None = None
) -> None:
    """Let an order enter, which meets `met`, at venue time `at_ns`, else that of the row."""
    takes = met is not UNMET and order.accepts(met.price)
    reason = find_refusal(venue, visit, order, takes=takes)
    if not reason and takes:
        reason = prevent_self_trade(venue, visit, order)
    if reason:
        finish(venue, visit, order, ("REJECTED", reason), at_ns)
        return
    if not order.triggered:
        visit.report(order.id, "ACCEPTED", at_ns)
    visit.entered.add(order.id)
    if takes:
        take(venue, visit, order, met)
    if order.id not in venue.orders:
        return
    if order.terms.tif in ("IOC", "FOK") and not order.waits_for_trigger:
        reason = "IOC_REST" if order.terms.tif == "IOC" else "FOK_SHORT"
        finish(venue, visit, order, ("CANCELED", reason), at_ns)
    else:
        stay(venue, visit, order)


def stay(venue: VenueState, visit: Visit, order: PaperOrder) -> None:
    """Let what is left of an order that enters rest, or wait for a market or a trigger."""
    venue.remove(order)
    order.stage = stage_after_entry(order)
    if order.stage == "RESTING" and venue.rules.model == "touch":
        order.ahead = learn_ahead(visit, order)
    venue.add(order)
    takes_no_more = order.terms.reduce_only and not venue.room(order)
    if takes_no_more and order.stage != "UNTRIGGERED":
        finish(venue, visit, order, ("CANCELED", "NOTHING_TO_REDUCE"))


def stage_after_entry(order: PaperOrder) -> Stage:
    """Return what an order does that has entered and is not over."""
    if order.waits_for_trigger:
        return "UNTRIGGERED"
    return "RESTING" if order.has_limit else "WAITING"


def retake(venue: VenueState, visit: Visit, order: PaperOrder) -> None:
    """Let an amended order take, where its limit is now within the opposite touch."""
    venue.remove(order)
    order.retake = False
    venue.add(order)
    touch = visit.touch(-order.side)
    if touch is None or not order.accepts(touch.price):
        return
    reason = "WOULD_TAKE" if order.terms.post_only else prevent_self_trade(venue, visit, order)
    if reason:
        finish(venue, visit, order, ("REJECTED", reason))
        return
    take(venue, visit, order, Met(touch.price, touch=touch))
