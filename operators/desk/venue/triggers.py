"""Conditional orders trigger, and trailing ones follow the price: docs/paper.md 5.

UNTRIGGERED ──price──▶ TRIGGERED, on its way anew from the venue time of that row
"""

from collections.abc import Iterator

from tapeflow.operators.desk.mark_kernels import is_of_market
from tapeflow.operators.desk.venue.ends import end_of, schedule
from tapeflow.operators.desk.venue.levels import trailing_stop, trigger_levels
from tapeflow.operators.desk.venue.orders import PaperOrder
from tapeflow.operators.desk.venue.rows import MarkRow, TradeRow
from tapeflow.operators.desk.venue.state import VenueState
from tapeflow.operators.desk.venue.visit import Visit
from tapeflow.schemas.sides import BUY


def trigger_orders(venue: VenueState, visit: Visit) -> None:
    """Show the prices of a row to the orders that wait for one, by (A, number)."""
    reached: dict[str, float] = {}
    for source, price in prices_of(visit):
        for order_id in visit.book.reach(f"{source}_up", price):
            reached[order_id] = price
        for order_id in visit.book.reach(f"{source}_down", -price):
            reached[order_id] = price
    orders = [venue.orders[order_id] for order_id in reached]
    for order in sorted(orders, key=lambda each: (each.active_ns, each.number)):
        end = end_of(order, venue.rules)
        is_over = end is not None and visit.venue_ns >= end.at_ns  # a mark price ends nothing
        if visit.sees(order) and not is_over:
            show_price(venue, visit, order, reached[order.id])


def prices_of(visit: Visit) -> Iterator[tuple[str, float]]:
    """Yield the prices of a row, each with its source; of a quote only if it is of a market."""
    row = visit.row
    if isinstance(row, TradeRow):
        yield "trade", row.price
    elif isinstance(row, MarkRow):
        if row.mark > 0 and is_of_market(row.mark, row.mark):
            yield "mark", row.mark
    elif (after := visit.standing_after()) is not None:
        yield from ((name, p) for name, p in (("bid", after.bid), ("ask", after.ask)) if p > 0)


def show_price(venue: VenueState, visit: Visit, order: PaperOrder, price: float) -> None:
    """Let an order that waits for a price trigger, or follow it."""
    if order.terms.type == "trailing":
        venue.remove(order)
        follow(order, price)
        venue.add(order)
        if order.best is None:
            return
        stop = trailing_stop(order, visit.book.instrument.tick)
        triggers = price >= stop if order.side == BUY else price <= stop
    else:
        low, high = trigger_levels(order, visit.book.instrument.tick)
        triggers = price <= low or price >= high
    if triggers:
        trigger(venue, visit, order)


def follow(order: PaperOrder, price: float) -> None:
    """Let a trailing order begin, or learn a better price."""
    if order.best is not None:
        order.best = min(order.best, price) if order.side == BUY else max(order.best, price)
    elif order.terms.activate is None or order.side * (price - float(order.terms.activate)) <= 0:
        order.best = price


def trigger(venue: VenueState, visit: Visit, order: PaperOrder) -> None:
    """Send a triggered order on its way anew, from this row on."""
    visit.report(order.id, "TRIGGERED")
    venue.remove(order)
    order.triggered = True
    order.stage = "WAY"
    order.active_ns = max(order.active_ns, visit.venue_ns)
    order.placed_at = visit.position
    venue.add(order)
    schedule(venue, order)
