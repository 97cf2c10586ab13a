"""The price that an order meets at entry, by model: docs/paper.md 3.

trade    a trade
sized    the opposite touch, else the row itself
touch    the opposite touch, else that of the row's quote; at a trade without one: nothing
"""

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

from tapeflow.operators.desk.venue.rows import QuoteRow, TradeRow
from tapeflow.operators.desk.venue.rules import Model
from tapeflow.operators.desk.venue.visit import Touch, Visit
from tapeflow.schemas.sides import Side


class Met(NamedTuple):
    """Liquidity that an order meets: a side of a touch, a trade, or none."""

    price: float
    touch: Touch | None = None
    trade: TradeRow | None = None


UNMET = Met(math.nan)  # it enters, and takes nothing


def meet_trade(visit: Visit, _: Side) -> Met | None:
    """Return the row if it is a trade; None lets the order stay on its way."""
    return Met(visit.row.price, trade=visit.row) if isinstance(visit.row, TradeRow) else None


def meet_sized(visit: Visit, side: Side) -> Met | None:
    """Return the touch opposite to an order's side, else the row."""
    return meet_quote(visit, side) or meet_trade(visit, side)


def meet_touch(visit: Visit, side: Side) -> Met | None:
    """Return the touch opposite to an order's side, else that of the row's quote."""
    return meet_quote(visit, side) or (UNMET if isinstance(visit.row, TradeRow) else None)


def meet_quote(visit: Visit, side: Side) -> Met | None:
    """Return the usable touch opposite to an order's side, before the row or of its quote."""
    touch = visit.touch(-side) or visit.touch_after(-side)
    return None if touch is None else Met(touch.price, touch=touch)


MEETINGS: Mapping[Model, Callable[[Visit, Side], Met | None]] = {
    "trade": meet_trade,
    "sized": meet_sized,
    "touch": meet_touch,
}


def meet_waiting(visit: Visit, side: Side, model: Model) -> Met | None:
    """Return what a waiting market order meets; the row's quote is the touch already."""
    if model == "trade":
        return meet_trade(visit, side)
    if isinstance(visit.row, QuoteRow):
        return meet_quote(visit, side) if visit.standing_after() is not None else None
    is_usable = visit.touch(-side) is not None
    return meet_trade(visit, side) if model == "sized" and not is_usable else None
