"""Check an order when it enters: docs/paper.md 2.

TICK  LOT  SIZE_MIN  SIZE_MAX  NOTIONAL_MIN  NOTHING_TO_REDUCE  WOULD_TAKE
"""

from decimal import Decimal

from tapeflow.operators.desk.venue.orders import PaperOrder
from tapeflow.operators.desk.venue.rows import QuoteRow, TradeRow
from tapeflow.operators.desk.venue.state import VenueState
from tapeflow.operators.desk.venue.visit import Visit
from tapeflow.schemas.decimals import to_decimal
from tapeflow.schemas.sides import BUY


def find_refusal(venue: VenueState, visit: Visit, order: PaperOrder, *, takes: bool) -> str:
    """Return why an order is rejected, "" for one that is not; SELF_TRADE is checked later."""
    if not order.triggered and (reason := find_wrong_terms(visit, order)):
        return reason
    if order.terms.reduce_only and not venue.room(order):
        return "NOTHING_TO_REDUCE"
    if order.terms.post_only and takes:
        return "WOULD_TAKE"
    return ""


def find_wrong_terms(visit: Visit, order: PaperOrder) -> str:
    """Return which rule of the instrument an order's prices or size break, "" for none."""
    instrument, terms = visit.book.instrument, order.terms
    prices = (terms.limit, terms.trigger, terms.activate)
    if any(price is not None and price % instrument.tick for price in prices):
        return "TICK"
    if order.size % instrument.lot:
        return "LOT"
    asks_minimum = not terms.reduce_only
    if asks_minimum and instrument.min_size is not None and order.size < instrument.min_size:
        return "SIZE_MIN"
    if instrument.max_size is not None and order.size > instrument.max_size:
        return "SIZE_MAX"
    if asks_minimum and instrument.min_notional is not None:
        notional = notional_of(visit, order)
        if notional is not None and notional < instrument.min_notional:
            return "NOTIONAL_MIN"
    return ""


def notional_of(visit: Visit, order: PaperOrder) -> Decimal | None:
    """Return what an order is worth; None where there is no price to say so."""
    worth = order.size * visit.book.instrument.multiplier
    if visit.book.instrument.inverse:
        return worth
    price = price_of(visit, order)
    return None if price is None else worth * price


def price_of(visit: Visit, order: PaperOrder) -> Decimal | None:
    """Return the price by which an order is valued: its own, else that of the market."""
    terms, touch, last, row = order.terms, visit.touch(-order.side), visit.standing.last, visit.row
    own = terms.limit if terms.limit is not None else terms.trigger
    if own is not None:
        return own
    if touch is not None:
        return to_decimal(touch.price)
    if last > 0:
        return to_decimal(last)
    if isinstance(row, TradeRow):
        return to_decimal(row.price)
    if isinstance(row, QuoteRow):
        sides = (row.ask, row.bid) if order.side == BUY else (row.bid, row.ask)
        return next((to_decimal(price) for price in sides if price > 0), None)
    return None
