"""The reach of an account: more than any of its sums can come to, whatever the prices.

    position    what it has realized, cost, paid in fees and funding, and its quantity at PRICE_MAX
    order       three times its size at PRICE_MAX: what it adds to a position, realizes, and pays

That of an inverse contract is its quantity at PRICE_MIN, which is 1 / PRICE_MAX: the same number.
A fill at any price turns an order into no more than its reach, and an account whose reach is below
REACH_MAX has no sum that its tables could not hold.
"""

from decimal import Decimal

from tapeflow.operators.desk.positions import PositionState
from tapeflow.schemas.decimals import PRICE_MAX, VALUE_MAX

HIGHEST_PRICE = Decimal(int(PRICE_MAX))
REACH_MAX = VALUE_MAX / 2  # the other half is for rounding


def reach_of_order(size: Decimal, multiplier: Decimal) -> Decimal:
    """Return the reach of an order that may still be filled.

    >>> reach_of_order(Decimal(2), Decimal(1)) == 6 * HIGHEST_PRICE
    True
    """
    return 3 * size * multiplier * HIGHEST_PRICE


def reach_of_position(position: PositionState, multiplier: Decimal) -> Decimal:
    """Return the reach of a position.

    >>> reach_of_position(PositionState(realized=Decimal(-5), fees=Decimal(1)), Decimal(1))
    Decimal('6')
    """
    held = abs(position.quantity) * multiplier * HIGHEST_PRICE
    paid = abs(position.realized) + abs(position.fees) + abs(position.funding)
    return paid + abs(position.cost) + held
