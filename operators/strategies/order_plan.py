"""A signal becomes an intent: the orders that its strategy declares, at prices of this moment.

    reference price 100.00, tick 0.01, BUY    limit_bps -20   limit    99.80
       exits, from the price of the entry     take profit 100          100.80   (100.798)
                                              stop 50                   99.30   (99.301)

Prices are rounded to the tick, never to what is more aggressive than declared: a limit to its
better side, a trigger to where it comes later. So an offset below a tick is a tick or none. A price
is at least a tick. Sizes of exits are rounded down to the lot.
"""

import math
from decimal import Decimal

from msgspec.structs import replace

from tapeflow.schemas.decimals import DECIMAL_CONTEXT, PRICE_MAX, clamp_for_table, to_decimal
from tapeflow.schemas.instruments import Instrument
from tapeflow.schemas.order_plans import AT_MARKET, OrderPlan
from tapeflow.schemas.orders import Terms
from tapeflow.schemas.sides import Side
from tapeflow.schemas.signals import DeclaredStrategy, Intent, Leg, Signal
from tapeflow.schemas.time import Ns

BPS = Decimal(10_000)
STOPS = ("stop", "stop_limit")


def make_intent(
    strategy: DeclaredStrategy,
    signal: Signal,
    instrument: Instrument,
    size: Decimal | None = None,
    terms: Terms | None = None,
) -> Intent:
    """Return the intent of a signal: its order, and the exits of that.

    Without `size` and `terms` they are as the strategy declares.
    """
    size = strategy.size if size is None else size
    if terms is None and strategy.order == AT_MARKET and not strategy.exits:
        return Intent(
            strategy.account, signal, size, slicing=strategy.slicing
        )  # no price is needed
    reference = reference_price(signal.ref_price)
    if terms is None:
        terms = make_terms(strategy.order, signal.side, reference, instrument.tick, signal.time_ns)
    if strategy.slicing is not None:
        terms = replace(terms, display=strategy.slicing.display)
    entry = entry_price(terms, signal.side, reference)
    return Intent(
        strategy.account,
        signal,
        size,
        terms,
        exits=tuple(
            Leg(
                -signal.side,
                round_down(size * each.share, instrument.lot),
                make_terms(each, -signal.side, entry, instrument.tick, signal.time_ns),
            )
            for each in strategy.exits
        ),
        exit_rule=strategy.exit_rule,
        slicing=strategy.slicing,
    )


def reference_price(price: float) -> Decimal:
    """Return the price of a signal as a decimal that the tables hold."""
    return clamp_for_table(to_decimal(price if math.isfinite(price) else PRICE_MAX))


def entry_price(terms: Terms, side: Side, reference: Decimal) -> Decimal:
    """Return the price from which exits are measured: the one for which their entry waits.

    That is its trigger, else a limit better than the reference price, else the reference price.
    """
    if terms.trigger is not None:
        return terms.trigger
    if terms.limit is not None and side * (terms.limit - reference) < 0:
        return terms.limit
    return reference


def make_terms(plan: OrderPlan, side: Side, base: Decimal, tick: Decimal, now_ns: Ns) -> Terms:
    """Return the terms of an order on `side`, its prices relative to `base`."""
    trigger = price_at(base, plan.trigger_bps, side, tick, side if plan.type in STOPS else -side)
    return Terms(
        type=plan.type,
        limit=price_at(base if trigger is None else trigger, plan.limit_bps, side, tick, -side),
        trigger=trigger,
        trigger_on=plan.trigger_on,
        trail=plan.trail,
        trail_unit=plan.trail_unit,
        activate=price_at(base, plan.activate_bps, side, tick, -side),
        tif=plan.tif,
        expire_ns=None if plan.lifetime_ns is None else now_ns + plan.lifetime_ns,
        post_only=plan.post_only,
        reduce_only=plan.reduce_only,
    )


def price_at(
    base: Decimal, worse_bps: Decimal | None, side: Side, tick: Decimal, direction: int
) -> Decimal | None:
    """Return the price that is so much worse for `side`, in ticks: up where `direction` is 1.

    >>> price_at(Decimal(100), Decimal(-20), 1, Decimal("0.01"), -1)
    Decimal('99.80')
    >>> price_at(Decimal("99.99"), Decimal("0.5"), 1, Decimal("0.01"), 1)
    Decimal('100.00')
    """
    if worse_bps is None:
        return None
    change = DECIMAL_CONTEXT.divide(DECIMAL_CONTEXT.multiply(base, worse_bps), BPS)
    ticks, rest = DECIMAL_CONTEXT.divmod(DECIMAL_CONTEXT.add(base, side * change), tick)
    if rest and direction > 0:
        ticks += 1
    return max(DECIMAL_CONTEXT.multiply(ticks, tick), tick)


def in_lots(size: Decimal, lot: Decimal) -> Decimal:
    """Return a size floored to the lot; one that is in lots as it was written."""
    return round_down(size, lot) if size % lot else size


def round_down(size: Decimal, lot: Decimal) -> Decimal:
    """Return a size as a multiple of the lot."""
    return DECIMAL_CONTEXT.multiply(DECIMAL_CONTEXT.divide_int(size, lot), lot)
