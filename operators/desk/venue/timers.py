"""Process what needs no row of the market: ends, patience, amendments, refusals.

E ──▶ before the first row with v >= E
──▶ at log time E + d, d the delay of the instrument at log time E        whichever is first
"""

from collections.abc import Callable
from heapq import heappop, heappush

from tapeflow.operators.desk.venue.amendments import amend_order
from tapeflow.operators.desk.venue.book import Event
from tapeflow.operators.desk.venue.ends import (
    AMEND,
    ENTER,
    REFUSE_CANCEL,
    end_of,
    entry_by_patience,
    finish,
    refuse,
    unschedule,
)
from tapeflow.operators.desk.venue.entry import enter
from tapeflow.operators.desk.venue.met import UNMET
from tapeflow.operators.desk.venue.orders import PaperOrder
from tapeflow.operators.desk.venue.rows import NOTHING, Standing
from tapeflow.operators.desk.venue.state import VenueState
from tapeflow.operators.desk.venue.visit import Visit
from tapeflow.schemas.orders import Report


def is_current(venue: VenueState, event: Event) -> bool:
    """Return whether an event is still to happen."""
    at_ns, rank, _, order_id, amendment = event
    if rank >= REFUSE_CANCEL:
        return True
    order = venue.orders.get(order_id)
    if order is None:
        return False
    if rank == AMEND:
        return any(each.number == amendment for each in order.amendments)
    if rank == ENTER:
        return entry_by_patience(order, venue.rules) == at_ns
    end = end_of(order, venue.rules)
    return end is not None and end.at_ns == at_ns


def happen(venue: VenueState, visit: Visit, event: Event) -> None:
    """Let an event happen that is current."""
    at_ns, rank, _, order_id, amendment = event
    if rank >= REFUSE_CANCEL:
        refuse(visit, order_id, at_ns, rank)
        return
    order = venue.orders[order_id]
    unschedule(venue, event)
    if rank == AMEND:
        amend_order(venue, visit, order, amendment)
    elif rank == ENTER:
        enter(venue, visit, order, UNMET, at_ns)
    else:
        expire(venue, visit, order)


def expire(venue: VenueState, visit: Visit, order: PaperOrder) -> None:
    """End an order at its end."""
    end = end_of(order, venue.rules)
    assert end is not None
    if end.kind == "CANCELED":
        first = min(order.cancels, key=lambda each: each.at_ns)
        order.cancels.remove(first)  # the one that ends it is not refused
    finish(venue, visit, order, (end.kind, end.reason), end.at_ns)


def bring_events(venue: VenueState, visit: Visit) -> None:
    """Let everything happen that is due before a row of this venue time."""
    book = visit.book
    while book.events and book.events[0][0] <= visit.venue_ns:
        event = heappop(book.events)
        venue.changed.add(visit.instrument)
        if is_current(venue, event):
            happen(venue, visit, event)
        else:
            unschedule(venue, event)


def next_due(venue: VenueState) -> int | None:
    """Return the log time of the next timer, None where there is none.

    One of an order that is not over may be stale: then `pass_time` does nothing.
    """
    timers, orders = venue.timers, venue.orders
    while timers and timers[0][3] < REFUSE_CANCEL and timers[0][5] not in orders:
        unschedule(venue, heappop(timers)[2:])
    return timers[0][0] if timers else None


def pass_time(
    venue: VenueState, now_ns: int, standing_of: Callable[[int], Standing]
) -> list[Report]:
    """Let everything happen that is due at a log time, before all records of that time."""
    reports: list[Report] = []
    due: list[Event] = []
    while due := sorted(due + due_events(venue, now_ns, standing_of)):
        event = due.pop(0)  # one by one: it may bring another that goes before the rest
        if is_current(venue, event):
            reports += happen_at(venue, now_ns, event, standing_of)
        else:
            unschedule(venue, event)
    return reports


def due_events(
    venue: VenueState, now_ns: int, standing_of: Callable[[int], Standing]
) -> list[Event]:
    """Remove and return the events that are due; those of a delayed feed are put off by it."""
    due, timers = [], venue.timers
    while timers and timers[0][0] <= now_ns:
        log_ns, delayed, *_ = timer = heappop(timers)
        event: Event = timer[2:]
        if not is_current(venue, event):
            unschedule(venue, event)
            continue
        if not delayed:
            delay_ns = standing_of(venue.orders[event[3]].instrument).delay_ns
            if log_ns + delay_ns > now_ns:
                heappush(timers, (log_ns + delay_ns, True, *event))
                continue
        due.append(event)
    return due


def happen_at(
    venue: VenueState, now_ns: int, event: Event, standing_of: Callable[[int], Standing]
) -> list[Report]:
    """Let an event happen at a log time; return its reports."""
    order = venue.orders.get(event[3])
    instrument = 0 if order is None else order.instrument  # of a refusal: no market is needed
    visit = Visit(
        rules=venue.rules,
        instrument=instrument,
        book=venue.book_of(instrument),
        row=None,
        position=(now_ns, "", -1),
        venue_ns=event[0],
        standing=NOTHING if order is None else standing_of(instrument),
    )
    happen(venue, visit, event)
    return visit.reports
