"""The prices at which conditional orders act: docs/paper.md 5.

stop buy           ─────────── high: the trigger        trailing sell     high: a new best
take profit buy    ─────────── low: the trigger                           low: best - trail
"""

import math
from decimal import Decimal

from tapeflow.operators.desk.venue.orders import PaperOrder
from tapeflow.schemas.decimals import DECIMAL_CONTEXT, to_decimal
from tapeflow.schemas.sides import BUY, Side

BPS = Decimal(10_000)


def source_of(trigger_on: str, side: Side) -> str:
    """Return which price triggers: trade, bid, ask or mark.

    >>> source_of("quote", BUY)
    'ask'
    """
    if trigger_on != "quote":
        return trigger_on
    return "ask" if side == BUY else "bid"


def trigger_levels(order: PaperOrder, tick: Decimal) -> tuple[float, float]:
    """Return (low, high): an untriggered order acts at prices <= low and at prices >= high."""
    terms = order.terms
    if terms.type != "trailing":
        assert terms.trigger is not None
        trigger = float(terms.trigger)
        is_stop = terms.type in ("stop", "stop_limit")
        return (-math.inf, trigger) if is_stop == (order.side == BUY) else (trigger, math.inf)
    if order.best is not None:
        stop = trailing_stop(order, tick)
        if order.side == BUY:
            return math.nextafter(order.best, -math.inf), stop
        return stop, math.nextafter(order.best, math.inf)
    if terms.activate is None:
        return -math.inf, -math.inf  # it begins at any price
    begin = float(terms.activate)
    return (begin, math.inf) if order.side == BUY else (-math.inf, begin)


def trailing_stop(order: PaperOrder, tick: Decimal) -> float:
    """Return the price at which a trailing order that has begun triggers.

    Best and trail are decimals: it is the first float64 at or beyond their sum or difference.
    """
    terms = order.terms
    assert order.best is not None and terms.trail is not None
    best, distance = to_decimal(order.best), terms.trail
    if terms.trail_unit == "ticks":
        distance = DECIMAL_CONTEXT.multiply(distance, tick)
    elif terms.trail_unit == "bps":
        distance = DECIMAL_CONTEXT.divide(DECIMAL_CONTEXT.multiply(best, distance), BPS)
    if order.side == BUY:
        stop = DECIMAL_CONTEXT.add(best, distance)
        price = float(stop)
        return price if to_decimal(price) >= stop else math.nextafter(price, math.inf)
    stop = DECIMAL_CONTEXT.subtract(best, distance)
    price = float(stop)
    return price if to_decimal(price) <= stop else math.nextafter(price, -math.inf)
