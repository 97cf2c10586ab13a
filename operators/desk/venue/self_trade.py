"""Orders of the portfolio that would trade with each other: docs/paper.md 7.

none: both live    newest: the one that enters is rejected    oldest: those that rest end
"""

from tapeflow.operators.desk.venue.ends import finish
from tapeflow.operators.desk.venue.orders import PaperOrder
from tapeflow.operators.desk.venue.state import VenueState
from tapeflow.operators.desk.venue.visit import Visit
from tapeflow.schemas.sides import BUY


def prevent_self_trade(venue: VenueState, visit: Visit, order: PaperOrder) -> str:
    """End resting orders that an order would cross; return why it is rejected, "" if it is not."""
    rule = visit.book.instrument.self_trade
    if rule == "none":
        return ""
    name = "sells" if order.side == BUY else "buys"
    limit = order.side * order.limit if order.has_limit else float("inf")
    crossed = visit.book.reach(name, limit)
    if not crossed:
        return ""
    if rule in ("oldest", "both"):
        for order_id in crossed:
            finish(venue, visit, venue.orders[order_id], ("CANCELED", "SELF_TRADE"))
    return "SELF_TRADE" if rule in ("newest", "both") else ""
