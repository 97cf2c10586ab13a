"""When an order ends, and how: docs/paper.md 6.

    patience, tif, cancel ──▶ the least is E, of equal ones the first ──▶ EXPIRED | CANCELED

What still was on its way to an order that is over is refused.
"""

from collections.abc import Iterator
from heapq import heapify, heappush
from typing import NamedTuple

from tapeflow.operators.desk.venue.book import CROWDED, Book, Event
from tapeflow.operators.desk.venue.orders import PaperOrder
from tapeflow.operators.desk.venue.rules import PaperRules
from tapeflow.operators.desk.venue.state import VenueState
from tapeflow.operators.desk.venue.visit import Visit
from tapeflow.schemas.orders import ReportKind

# What happens at one venue time goes in this order.
AMEND, ENTER, END, REFUSE_CANCEL, REFUSE_AMENDMENT = range(5)


class End(NamedTuple):
    """An end of an order."""

    at_ns: int
    kind: ReportKind
    reason: str


def end_of(order: PaperOrder, rules: PaperRules) -> End | None:
    """Return the end of an order as it is known now."""
    ends = []
    takes = not order.has_limit or order.terms.tif in ("IOC", "FOK")
    if takes and rules.patience_ns is not None and not order.waits_for_trigger:
        ends.append(End(order.active_ns + rules.patience_ns, "EXPIRED", "NO_MARKET"))
    if order.tif_ns is not None:
        ends.append(End(order.tif_ns, "EXPIRED", order.terms.tif))
    ends += [End(each.at_ns, "CANCELED", each.reason) for each in order.cancels]
    return min(ends, key=lambda end: end.at_ns, default=None)


def entry_by_patience(order: PaperOrder, rules: PaperRules) -> int | None:
    """Return when a limit order on its way enters, whatever it meets; None: it does not."""
    is_way = order.stage == "WAY" and not order.waits_for_trigger
    if rules.patience_ns is None or not is_way:
        return None
    rests = order.has_limit and order.terms.tif not in ("IOC", "FOK")
    return order.active_ns + rules.patience_ns if rests else None


def times_of(order: PaperOrder, rules: PaperRules) -> Iterator[tuple[int, int, int]]:
    """Yield what happens to an order without a row that it meets.

    It is venue time, rank, and of an amendment its number: two may have one time.
    """
    for amendment in order.amendments:
        yield amendment.at_ns, AMEND, amendment.number
    entry_ns = entry_by_patience(order, rules)
    if entry_ns is not None:
        yield entry_ns, ENTER, 0
    end = end_of(order, rules)
    if end is not None:
        yield end.at_ns, END, 0


def schedule(venue: VenueState, order: PaperOrder) -> None:
    """Make an event and a timer for each time of an order that has none yet."""
    for time in times_of(order, venue.rules):
        if time not in order.scheduled:
            order.scheduled.append(time)
            event = event_of(order, time)
            heappush(venue.book_of(order.instrument).events, event)
            heappush(venue.timers, (time[0], False, *event))
            venue.changed.add(order.instrument)


def event_of(order: PaperOrder, time: tuple[int, int, int]) -> Event:
    """Return what happens to an order at one of its times."""
    at_ns, rank, amendment = time
    return at_ns, rank, order.number, order.id, amendment


def finish(
    venue: VenueState,
    visit: Visit,
    order: PaperOrder,
    end: tuple[ReportKind, str],
    at_ns: int | None = None,
) -> None:
    """End an order that is not filled, at venue time `at_ns`, else that of the visit."""
    kind, reason = end
    visit.report(order.id, kind, at_ns, reason=reason)
    forget(venue, visit, order)


def forget(venue: VenueState, visit: Visit, order: PaperOrder) -> None:
    """Remove an order that is over, and refuse what is on its way to it."""
    venue.remove(order)
    drop_stale(venue, visit.book)
    refused = [(each.at_ns, REFUSE_CANCEL) for each in order.cancels]
    refused += [(each.at_ns, REFUSE_AMENDMENT) for each in order.amendments]
    for at_ns, rank in sorted(refused):
        if at_ns > visit.log_ns:
            refuse_later(venue, order.id, at_ns, rank)
        else:
            refuse(visit, order.id, at_ns, rank)


def unschedule(venue: VenueState, event: Event) -> None:
    """Note that there is no timer for a time of an order any more."""
    order = venue.orders.get(event[3])
    time = event[0], event[1], event[4]
    if order is not None and time in order.scheduled:
        order.scheduled.remove(time)


def drop_stale(venue: VenueState, book: Book) -> None:
    """Drop events and timers of orders that are over, once they may be half of all."""

    def is_stale(event: Event) -> bool:
        return event[1] < REFUSE_CANCEL and event[3] not in venue.orders

    if len(venue.timers) >= venue.crowded:
        venue.timers = [timer for timer in venue.timers if not is_stale(timer[2:])]
        heapify(venue.timers)
        venue.crowded = max(CROWDED, 2 * len(venue.timers))
    if len(book.events) >= book.crowded:
        book.events = [event for event in book.events if not is_stale(event)]
        heapify(book.events)
        book.crowded = max(CROWDED, 2 * len(book.events))


def refuse_later(venue: VenueState, order_id: str, at_ns: int, rank: int) -> None:
    """Make a timer for a refusal: it comes at its log time, whatever the delay of the feed.

    Refusals of one time go by the order's id: the number of an order that is over is forgotten.
    """
    heappush(venue.timers, (at_ns, True, at_ns, rank, 0, order_id, 0))


def refuse(visit: Visit, order_id: str, at_ns: int, rank: int) -> None:
    """Report that a cancel or an amendment came too late."""
    kind: ReportKind = "CANCEL_REFUSED" if rank == REFUSE_CANCEL else "AMEND_REFUSED"
    visit.report(order_id, kind, at_ns, reason="ORDER_OVER")
