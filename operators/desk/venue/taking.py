"""Orders that take: docs/paper.md 3.

shown 3, wanted 5     slip 0: 5 at T      slip 2: 3 at T, 2 at T + 2 ticks      none: 3 at T
"""

from decimal import Decimal
from typing import NamedTuple

from tapeflow.operators.desk.venue.filling import fill, fillable_size
from tapeflow.operators.desk.venue.met import Met, meet_waiting
from tapeflow.operators.desk.venue.orders import ZERO, PaperOrder
from tapeflow.operators.desk.venue.state import VenueState
from tapeflow.operators.desk.venue.visit import Visit
from tapeflow.schemas.decimals import to_decimal


class Part(NamedTuple):
    """A part of an order that is filled at one price."""

    price: Decimal
    size: Decimal
    beyond: Decimal = ZERO  # of it, what nothing showed


def parts_of(venue: VenueState, visit: Visit, order: PaperOrder, met: Met) -> list[Part]:
    """Return what an order takes of what it meets."""
    wanted = fillable_size(venue, order)
    if met.touch is not None:
        shown = visit.shown(met.touch)
    elif venue.rules.model == "trade":
        return [Part(to_decimal(met.price), wanted)]
    else:
        shown = visit.left_of_trade()
    covered = min(wanted, visit.whole_lots(shown))
    parts = split(visit, order, to_decimal(met.price), covered, wanted - covered)
    return [part for part in parts if part.size > 0]


def split(
    visit: Visit, order: PaperOrder, price: Decimal, covered: Decimal, beyond: Decimal
) -> list[Part]:
    """Return the part that is covered by what is shown at a price, and the part beyond it."""
    slip = visit.rules.slip
    if slip is None:
        return [Part(price, covered)]
    if slip == 0:
        return [Part(price, covered + beyond, beyond)]
    worse = price + order.side * slip * visit.book.instrument.tick
    is_within = worse > 0 and order.accepts(float(worse))
    return [Part(price, covered), *([Part(worse, beyond, beyond)] if is_within else [])]


def take(venue: VenueState, visit: Visit, order: PaperOrder, met: Met) -> None:
    """Fill an order from what it meets; a FOK only whole."""
    parts = parts_of(venue, visit, order, met)
    taken = sum((part.size for part in parts), ZERO)
    if order.terms.tif == "FOK" and taken < order.leaves:
        return
    shown = sum((part.size - part.beyond for part in parts), ZERO)
    if met.touch is not None:
        visit.book.take_from(met.touch.quote_at, met.touch.side, shown)
    else:
        visit.used += shown
    for part in parts:
        fill(venue, visit, order, part.price, part.size, "TAKER", met.trade, part.beyond)


def take_waiting(venue: VenueState, visit: Visit) -> None:
    """Let the market orders that wait take from a row; not those that entered at it."""
    for order_id in visit.book.reach("waiting", visit.venue_ns):
        order = venue.orders.get(order_id)
        if order is None or order_id in visit.entered or not visit.sees(order):
            continue
        met = meet_waiting(visit, order.side, venue.rules.model)
        if met is not None:
            take(venue, visit, order, met)
