"""Positions and realized profit: fills applied to one netted position, in exact decimals.

    buy 1 @ 100     quantity  1   cost  100     realized   0
    sell 3 @ 110    quantity -2   cost -220     realized  10     a flip closes, then opens

The state is a cost, not an average price, so that cash adds up at every fill (multiplier 1):
    realized + (quantity * mark - cost) == sum of (-signed size * price) + quantity * mark
"""

from decimal import Decimal

from msgspec import Struct

from tapeflow.schemas.decimals import round_to_digits

ZERO = Decimal(0)


class PositionState(Struct, frozen=True):
    """One strategy's position in one instrument."""

    quantity: Decimal = ZERO  # signed
    cost: Decimal = ZERO  # of the open quantity, signed like it
    realized: Decimal = ZERO  # of what was closed, before fees
    fees: Decimal = ZERO


def apply_fill(
    position: PositionState, signed: Decimal, notional: Decimal, fee: Decimal, digits: int
) -> PositionState:
    """Return the position after a fill of `signed` size, worth `notional` > 0 in all.

    Money is rounded to `digits` after the point.

    >>> long = apply_fill(PositionState(), Decimal("0.1"), Decimal(5000), Decimal(5), 8)
    >>> half = apply_fill(long, Decimal("-0.05"), Decimal(3000), Decimal("2.5"), 8)
    >>> half.realized - half.fees
    Decimal('492.50000000')
    """
    fees = position.fees + fee
    value = notional.copy_sign(signed)
    if position.quantity * signed >= 0:
        return PositionState(
            position.quantity + signed, position.cost + value, position.realized, fees
        )
    closing = min(abs(signed), abs(position.quantity))
    if closing == abs(signed):
        proceeds, rest = value, ZERO
    else:
        proceeds = round_to_digits(value * closing / abs(signed), digits)
        rest = value - proceeds
    if closing == abs(position.quantity):
        freed = position.cost
    else:
        freed = round_to_digits(position.cost * closing / abs(position.quantity), digits)
    # proceeds and cost have opposite signs: what a sale brings, less what was paid
    realized = position.realized - proceeds - freed
    return PositionState(position.quantity + signed, position.cost - freed + rest, realized, fees)


def market_value(
    position: PositionState, mark: Decimal, multiplier: Decimal, digits: int
) -> Decimal:
    """Return what the open quantity is worth at `mark`, signed like it.

    Less the cost it is what closing would add to the realized profit, before fees.
    """
    return round_to_digits(position.quantity * mark * multiplier, digits)


def entry_price(position: PositionState, multiplier: Decimal) -> Decimal:
    """Return the average price of the open quantity, for display; 0 when flat."""
    return position.cost / (position.quantity * multiplier) if position.quantity else ZERO
