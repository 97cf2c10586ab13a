"""A fill, and what follows from it for reduce-only orders: docs/paper.md 4.

fill ──▶ position at the venue ──▶ nothing left: resting reduce-only orders end
"""

from decimal import Decimal

from tapeflow.operators.desk.venue.ends import finish, forget
from tapeflow.operators.desk.venue.orders import ZERO, PaperOrder
from tapeflow.operators.desk.venue.rows import TradeRow
from tapeflow.operators.desk.venue.state import Owner, VenueState, owner_of
from tapeflow.operators.desk.venue.visit import Visit
from tapeflow.schemas.orders import NO_TRADE
from tapeflow.schemas.time import NO_TIME


def fillable_size(venue: VenueState, order: PaperOrder) -> Decimal:
    """Return what an order may fill now: of a reduce-only one no more than the position."""
    if order.terms.reduce_only:
        return min(order.leaves, venue.room(order))
    return order.leaves


def fill(  # noqa: PLR0913, PLR0917
    venue: VenueState,
    visit: Visit,
    order: PaperOrder,
    price: Decimal,
    size: Decimal,
    liquidity: str,
    trade: TradeRow | None,
    beyond: Decimal = ZERO,
) -> None:
    """Fill a part of an order; `trade` made it, None: a quote; `beyond` of it nothing showed."""
    order.filled += size
    order.fills += 1
    owner = owner_of(order)
    venue.positions[owner] = venue.positions.get(owner, ZERO) + order.side * size
    if not venue.positions[owner]:
        del venue.positions[owner]
    is_timed = trade is not None and trade.event_ns != NO_TIME
    visit.report(
        order.id,
        "FILL",
        event_ns=trade.event_ns if trade is not None and is_timed else None,
        execution_id=f"{order.id}-{order.fills}",
        price=price,
        size=size,
        liquidity=liquidity,
        trade_id=NO_TRADE if trade is None else trade.trade_id,
        beyond=beyond,
        **visit.shown_quote(order.side),
    )
    if order.leaves <= 0:
        forget(venue, visit, order)
    end_reducers(venue, visit, owner)


def end_reducers(venue: VenueState, visit: Visit, owner: Owner) -> None:
    """End the reduce-only orders that have entered and have nothing left to reduce."""
    live = venue.reducers.get(owner, {}).values()
    ended = [each for each in live if each.stage in ("RESTING", "WAITING")]
    for order in sorted(ended, key=lambda each: each.number):
        if not venue.room(order):
            finish(venue, visit, order, ("CANCELED", "NOTHING_TO_REDUCE"))
