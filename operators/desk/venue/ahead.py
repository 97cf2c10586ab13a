"""Track the size ahead of our orders at their price, in the model `touch`: docs/paper.md 4.

bid 100 x 5     we rest at 100: 5 ahead     trade 100 x 3: 2     bid 100 x 1: 1     bid 99: 0
bid 101 x 5     we rest at 100: not known
"""

from decimal import Decimal

from tapeflow.operators.desk.venue.orders import ZERO, PaperOrder
from tapeflow.operators.desk.venue.rows import TradeRow
from tapeflow.operators.desk.venue.state import VenueState
from tapeflow.operators.desk.venue.visit import Touch, Visit, size_of
from tapeflow.schemas.sides import BUY, SELL


def learn_ahead(visit: Visit, order: PaperOrder) -> Decimal | None:
    """Return what is ahead of an order that begins to rest; None: not known."""
    touch = visit.touch(order.side) or visit.touch_after(order.side)
    if touch is None:  # too old, absurd or moved: who knows; none at all: nothing is ahead
        own = visit.standing.bid if order.side == BUY else visit.standing.ask
        return None if own > 0 else ZERO
    beyond = order.side * (touch.price - order.limit)
    if beyond > 0:
        return None
    return size_of(touch.size) if beyond == 0 else ZERO


def update_by_quote(venue: VenueState, visit: Visit) -> None:
    """Learn from a quote, which is the touch now, what is ahead of resting orders."""
    for side, name in ((BUY, "queued_buys"), (SELL, "queued_sells")):
        touch = visit.touch(side)
        if touch is None:
            continue
        for order_id in visit.book.reach(name, -side * touch.price):
            order = venue.orders[order_id]
            if visit.sees(order):
                set_ahead(venue, order, ahead_at(order, touch))


def ahead_at(order: PaperOrder, touch: Touch) -> Decimal:
    """Return what is ahead of an order at or before the touch of its side."""
    if touch.price != order.limit:
        return ZERO
    size = size_of(touch.size)
    return size if order.ahead is None else min(order.ahead, size)


def update_by_trade(venue: VenueState, visit: Visit) -> None:
    """Take a trade from what is ahead of orders at its price; beyond it nothing is left ahead."""
    row = visit.row
    assert isinstance(row, TradeRow)
    size = size_of(row.size)
    for side, name in ((BUY, "queued_buys"), (SELL, "queued_sells")):
        for order_id in visit.book.reach(name, -side * row.price):
            order = venue.orders[order_id]
            if not visit.sees(order):
                continue
            if order.limit != row.price:
                set_ahead(venue, order, ZERO)
            elif order.ahead is not None:
                set_ahead(venue, order, max(ZERO, order.ahead - size))


def set_ahead(venue: VenueState, order: PaperOrder, ahead: Decimal) -> None:
    """Change what is ahead of an order."""
    if ahead:
        order.ahead = ahead
        return
    venue.remove(order)
    order.ahead = ahead
    venue.add(order)
