"""Round trips by plain loops over fills, with exact fractions: what the view is held against."""

from fractions import Fraction


def value_of(row, signed, price):
    """Return what a signed size is worth in the settlement currency, signed as its cost."""
    units = Fraction(signed) * Fraction(row.multiplier)
    return -units / Fraction(price) if row.inverse else units * Fraction(price)


def average(row, fills):
    """Return the average price of (size, price), of an inverse contract the harmonic one."""
    if not fills:
        return None
    sizes = sum(size for size, _ in fills)
    if row.inverse:
        return sizes / sum(size / price for size, price in fills)
    return sum(size * price for size, price in fills) / sizes


class Trip:
    """A trip that is open until `held` is 0."""

    def __init__(self, number, sign, fill):
        """Begin a trip of a sign with its first fill, which has still to be added."""
        self.number, self.sign, self.first = number, sign, fill
        self.held = self.largest = self.fees = self.cash = Fraction(0)
        self.entries, self.exits, self.fills, self.last = [], [], 0, fill

    def add(self, row, fill, size, fee):
        """Add a part of a fill, of size > 0."""
        sign = 1 if fill.side > 0 else -1
        self.cash -= value_of(row, sign * size, fill.price)
        self.fees += fee
        self.held += sign * size
        self.largest = max(self.largest, abs(self.held))
        (self.entries if sign == self.sign else self.exits).append((size, Fraction(fill.price)))
        self.fills += 1
        self.last = fill


def trips_of(row, fills):
    """Return the trips of the fills of one owner in one instrument, in their order."""
    trips = []
    for fill in fills:
        sign, size = (1 if fill.side > 0 else -1), Fraction(fill.size)
        fee = Fraction(fill.fee)
        if trips and trips[-1].held:
            trip = trips[-1]
            closing = abs(trip.held) if trip.held * sign < 0 else size
            if closing < size:  # it turns
                trip.add(row, fill, closing, fee * closing / size)
                trips.append(Trip(trip.number + 1, sign, fill))
                trips[-1].add(row, fill, size - closing, fee - fee * closing / size)
            else:
                trip.add(row, fill, size, fee)
        else:
            trips.append(Trip(len(trips) + 1, sign, fill))
            trips[-1].add(row, fill, size, fee)
    return trips
