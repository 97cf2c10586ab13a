"""Open sizes by side: what orders at work may still add to positions; see exposure.py.

    buy 4 open, buy 2 open, sell 3 open     buys 6, sells 3     of a strategy, and of its account

It follows from the orders at work, so a snapshot does not have it.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from tapeflow.schemas.orders import Order

ZERO, ONE = Decimal(0), Decimal(1)


class Sides(NamedTuple):
    """Open sizes by side."""

    buys: Decimal = ZERO
    sells: Decimal = ZERO

    def add(self, side: int, size: Decimal) -> "Sides":
        """Return them with a size more, or less."""
        if side > 0:
            return Sides(self.buys + size, self.sells)
        return Sides(self.buys, self.sells + size)


NONE_OPEN = Sides()


@dataclass(slots=True)
class OpenSizes:
    """The open sizes of each account and strategy, by instrument; of those that have some."""

    of_account: defaultdict[str, dict[str, Sides]] = field(
        default_factory=lambda: defaultdict(dict)
    )
    of_strategy: defaultdict[tuple[str, str], dict[str, Sides]] = field(
        default_factory=lambda: defaultdict(dict)
    )
    has_changed: bool = False  # since somebody has looked

    @classmethod
    def from_orders(cls, orders: Iterable[tuple[Order, Decimal]]) -> "OpenSizes":
        """Return those of orders and what each may still add."""
        sizes = cls()
        for order, size in orders:
            sizes.add(order, size)
        return sizes

    def add(self, order: Order, size: Decimal) -> None:
        """Add to what orders like this may still fill; below 0: take from it."""
        if not size:
            return
        self.has_changed = True
        for sides in (self.of_account[order.account], self.of_strategy[owner_of(order)]):
            buys, sells = sides.get(order.instrument, NONE_OPEN).add(order.side, size)
            after = Sides(trim(buys), trim(sells))
            sides[order.instrument] = after
            if after == NONE_OPEN:
                del sides[order.instrument]


def trim(size: Decimal) -> Decimal:
    """Return a size without trailing zeros: it is written alike, however it was summed.

    >>> trim(Decimal("5.0")), trim(Decimal("0.50")), trim(Decimal(10))
    (Decimal('5'), Decimal('0.5'), Decimal('10'))
    """
    whole = size.to_integral_value()
    return whole.quantize(ONE) if whole == size else size.normalize()


def owner_of(order: Order) -> tuple[str, str]:
    """Return account and strategy of an order."""
    return order.account, order.strategy
