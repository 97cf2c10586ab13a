"""Resting limit orders fill at their limits, in price-time priority: docs/paper.md 4.

trade, sized    a trade beyond the limit
touch           also a trade at the limit, after what is ahead, and the opposite touch
"""

from tapeflow.operators.desk.venue.ahead import update_by_trade
from tapeflow.operators.desk.venue.filling import fill, fillable_size
from tapeflow.operators.desk.venue.orders import ZERO, PaperOrder
from tapeflow.operators.desk.venue.rows import TradeRow
from tapeflow.operators.desk.venue.state import VenueState
from tapeflow.operators.desk.venue.visit import Visit
from tapeflow.schemas.sides import BUY, SELL

SIDES = ((BUY, "buys"), (SELL, "sells"))


def fill_resting(venue: VenueState, visit: Visit) -> None:
    """Fill the resting orders in the reach of a row."""
    if isinstance(visit.row, TradeRow):
        fill_by_trade(venue, visit, visit.row)
        if venue.rules.model == "touch":
            update_by_trade(venue, visit)
    elif venue.rules.model == "touch" and visit.standing_after() is not None:
        fill_by_quote(venue, visit)


def fill_by_trade(venue: VenueState, visit: Visit, row: TradeRow) -> None:
    """Fill orders from a trade: buys first, as far as its size goes."""
    is_strict = venue.rules.model != "touch"
    for side, name in SIDES:
        for order_id in visit.book.reach(name, -side * row.price, strict=is_strict):
            if venue.rules.model != "trade" and not visit.whole_lots(visit.left_of_trade()):
                return
            order = venue.orders.get(order_id)
            if order is not None and visit.sees(order):
                fill_one_by_trade(venue, visit, order, row)


def fill_one_by_trade(venue: VenueState, visit: Visit, order: PaperOrder, row: TradeRow) -> None:
    """Fill an order from a trade at or beyond its limit."""
    size = fillable_size(venue, order)
    if venue.rules.model != "trade":
        ahead = ZERO
        if order.limit == row.price:
            if order.ahead is None:
                return
            ahead = order.ahead
        size = min(size, visit.whole_lots(visit.left_of_trade(ahead)))
    if size > 0:
        visit.used += size
        assert order.terms.limit is not None
        fill(venue, visit, order, order.terms.limit, size, "MAKER", row)


def fill_by_quote(venue: VenueState, visit: Visit) -> None:
    """Fill orders that the opposite touch has reached, as far as it shows size."""
    for side, name in SIDES:
        touch = visit.touch(-side)
        if touch is None:
            continue
        for order_id in visit.book.reach(name, -side * touch.price):
            shown = visit.whole_lots(visit.shown(touch))
            if not shown:
                break
            order = venue.orders.get(order_id)
            if order is None or not visit.sees(order):
                continue
            size = min(fillable_size(venue, order), shown)
            if size > 0:
                visit.book.take_from(touch.quote_at, touch.side, size)
                assert order.terms.limit is not None
                fill(venue, visit, order, order.terms.limit, size, "MAKER", None)
