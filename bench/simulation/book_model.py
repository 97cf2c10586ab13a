"""The position of a strategy in an instrument."""

from decimal import Decimal

from msgspec import Struct

from bench.simulation.numbers import to_digits


class Book(Struct):
    """The position of a strategy in an instrument."""

    quantity: Decimal = Decimal(0)
    cost: Decimal = Decimal(0)
    realized: Decimal = Decimal(0)
    fees: Decimal = Decimal(0)

    def apply(self, change: Decimal, value: Decimal, fee: Decimal, digits: int) -> None:
        """Change a position: what closes is realized, what flips is opened anew."""
        self.fees += fee
        if not self.quantity or (self.quantity > 0) == (change > 0):
            self.quantity, self.cost = self.quantity + change, self.cost + value
            return
        closing = min(abs(change), abs(self.quantity))
        got, freed = value, self.cost
        if closing < abs(change):
            got = to_digits(value * closing / abs(change), digits)
        if closing < abs(self.quantity):
            freed = to_digits(self.cost * closing / abs(self.quantity), digits)
        self.realized -= got + freed
        self.quantity, self.cost = self.quantity + change, self.cost + value - got - freed
