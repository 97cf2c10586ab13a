"""Orders that take: docs/paper.md 3.

shown 3, wanted 5      slip 0: 5 at T      slip 2: 3 at T, 2 at T + 2 ticks      none: 3 at T
"""

from decimal import Decimal

from tapeflow.operators.desk.venue.filling import fill, wanted_of
from tapeflow.operators.desk.venue.met import Met, meet_waiting
from tapeflow.operators.desk.venue.orders import ZERO, PaperOrder
from tapeflow.operators.desk.venue.state import VenueState
from tapeflow.operators.desk.venue.visit import Touch, Visit
from tapeflow.schemas.decimals import to_decimal

Part = tuple[Decimal, Decimal]  # price, size


def parts_of(venue: VenueState, visit: Visit, order: PaperOrder, met: Met) -> list[Part]:
    """Return what an order takes of what it meets."""
    wanted = wanted_of(venue, order)
    if met.touch is not None:
        parts = parts_of_touch(visit, order, met.touch, wanted)
    elif venue.rules.model == "trade":
        parts = [(to_decimal(met.price), wanted)]
    else:
        left = visit.whole_lots(visit.left_of_trade())
        parts = [(to_decimal(met.price), min(wanted, left))]
    return [part for part in parts if part[1] > 0]


def parts_of_touch(visit: Visit, order: PaperOrder, touch: Touch, wanted: Decimal) -> list[Part]:
    """Return the part that the touch covers, and the part beyond it."""
    price, slip = to_decimal(touch.price), visit.rules.slip
    covered = min(wanted, visit.whole_lots(visit.shown(touch)))
    if slip is None:
        return [(price, covered)]
    if slip == 0:
        return [(price, wanted)]
    worse = price + order.side * slip * visit.book.instrument.tick
    is_within = worse > 0 and order.accepts(float(worse))
    return [(price, covered), (worse, wanted - covered if is_within else ZERO)]


def take(venue: VenueState, visit: Visit, order: PaperOrder, met: Met) -> None:
    """Fill an order from what it meets; a FOK only whole."""
    parts = parts_of(venue, visit, order, met)
    taken = sum((size for _, size in parts), ZERO)
    if order.terms.tif == "FOK" and taken < order.leaves:
        return
    if met.touch is not None:
        covered = min(taken, visit.whole_lots(visit.shown(met.touch)))
        visit.book.take_from(met.touch.quote_at, met.touch.side, covered)
    else:
        visit.used += taken
    for price, size in parts:
        fill(venue, visit, order, price, size, "TAKER", met.trade)


def take_waiting(venue: VenueState, visit: Visit) -> None:
    """Let the market orders that wait take from a row; not those that entered at it."""
    for order_id in visit.book.reach("waiting", visit.venue_ns):
        order = venue.orders.get(order_id)
        if order is None or order_id in visit.entered or not visit.sees(order):
            continue
        met = meet_waiting(visit, order.side, venue.rules.model)
        if met is not None:
            take(venue, visit, order, met)
