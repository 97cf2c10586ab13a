"""An amendment takes effect: docs/paper.md 6.

smaller only               keeps its priority
dearer, cheaper, larger    A becomes M: later in priority, ahead is learnt anew, may take again
"""

from decimal import Decimal

from msgspec.structs import replace

from tapeflow.operators.desk.venue.ahead import learn_ahead
from tapeflow.operators.desk.venue.ends import forget, schedule
from tapeflow.operators.desk.venue.orders import Amendment, PaperOrder
from tapeflow.operators.desk.venue.state import VenueState
from tapeflow.operators.desk.venue.visit import Visit


def amend_order(venue: VenueState, visit: Visit, order: PaperOrder, number: int) -> None:
    """Apply the amendment of an order with this number among its amendments."""
    amendment = next(each for each in order.amendments if each.number == number)
    order.amendments.remove(amendment)
    size = order.size if amendment.size is None else amendment.size
    visit.report(
        order.id,
        "AMENDED",
        amendment.at_ns,
        size=size,
        limit=amendment.limit,
        trigger=amendment.trigger,
    )
    if size <= order.filled:
        forget(venue, visit, order)
        return
    limit = changed_price(order.terms.limit, amendment.limit)
    trigger = changed_price(order.terms.trigger, amendment.trigger)
    is_anew = size > order.size or limit is not None or trigger is not None
    venue.remove(order)
    order.size = size
    order.terms = replace(
        order.terms,
        limit=order.terms.limit if limit is None else limit,
        trigger=order.terms.trigger if trigger is None else trigger,
    )
    if is_anew:
        begin_anew(venue, visit, order, amendment)
    venue.add(order)
    schedule(venue, order)


def changed_price(present: Decimal | None, amended: Decimal | None) -> Decimal | None:
    """Return the amended price of an order that has one, None where nothing changes."""
    return None if present is None or amended is None or amended == present else amended


def begin_anew(venue: VenueState, visit: Visit, order: PaperOrder, amendment: Amendment) -> None:
    """Put an order behind those that were there before it was amended."""
    order.active_ns = amendment.at_ns
    if order.stage == "RESTING" and venue.rules.model != "trade":
        order.retake = True
        if venue.rules.model == "touch":
            order.ahead = learn_ahead(visit, order)
