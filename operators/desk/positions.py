"""Positions and realized profit: fills applied to one netted position, in exact decimals.

    buy 1 @ 100     quantity  1   cost  100     realized   0
    sell 3 @ 110    quantity -2   cost -220     realized  10     a flip closes, then opens

The state is a cost, not an average price, so that cash adds up at every fill (multiplier 1):
    realized + (quantity * mark - cost) == sum of (-signed size * price) + quantity * mark

All of it is in the settlement currency. What a position is worth, and so its cost, has the sign of
its quantity; of an inverse contract the other one: see contracts.py.
"""

from decimal import Decimal

from msgspec import Struct
from msgspec.structs import replace

from tapeflow.schemas.decimals import round_to_digits

ZERO = Decimal(0)


class PositionState(Struct, frozen=True):
    """One strategy's position in one instrument."""

    quantity: Decimal = ZERO  # signed
    cost: Decimal = ZERO  # of the open quantity, signed like its value
    realized: Decimal = ZERO  # of what was closed, before fees
    fees: Decimal = ZERO
    funding: Decimal = ZERO  # received, less what was paid


def apply_fill(
    position: PositionState,
    signed: Decimal,
    worth: Decimal,
    fee: Decimal,
    digits: int,
    *,
    inverse: bool = False,
) -> PositionState:
    """Return the position after a fill of `signed` size, `worth` > 0 in the settlement currency.

    Money is rounded to `digits` after the point.

    >>> long = apply_fill(PositionState(), Decimal("0.1"), Decimal(5000), Decimal(5), 8)
    >>> half = apply_fill(long, Decimal("-0.05"), Decimal(3000), Decimal("2.5"), 8)
    >>> half.realized - half.fees
    Decimal('492.50000000')
    """
    fees = position.fees + fee
    value = worth.copy_sign(-signed if inverse else signed)
    quantity = position.quantity + signed
    if position.quantity * signed >= 0:
        return replace(position, quantity=quantity, cost=position.cost + value, fees=fees)
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
    cost = position.cost - freed + rest
    return replace(position, quantity=quantity, cost=cost, realized=realized, fees=fees)


def market_value(
    position: PositionState,
    mark: Decimal,
    multiplier: Decimal,
    digits: int,
    *,
    inverse: bool = False,
) -> Decimal:
    """Return what the open quantity is worth at `mark`, signed like its cost.

    Less the cost it is what closing would add to the realized profit, before fees.
    """
    units = position.quantity * multiplier
    return round_to_digits(-units / mark if inverse else units * mark, digits)


def entry_price(position: PositionState, multiplier: Decimal, *, inverse: bool = False) -> Decimal:
    """Return the average price of the open quantity, for display; 0 when flat."""
    units = position.quantity * multiplier
    if inverse:
        return -units / position.cost if position.cost else ZERO
    return position.cost / units if units else ZERO
