"""Bound what a scope is worth, and is exposed to, over all marks in a box: see boxes.py.

long 2 from 100, box 98 .. 101     profit -4 .. 2     gross 196 .. 202

Floats: whether a limit is exceeded is decided in decimals, by worth.py, where this cannot rule it
out.
"""

import math
from collections.abc import Iterable
from decimal import Decimal

from tapeflow.operators.desk.account import Account
from tapeflow.operators.desk.positions import PositionState
from tapeflow.operators.desk.risk.holdings import Holdings
from tapeflow.operators.desk.risk.supervision.boxes import (
    UNKNOWN,
    ZERO,
    BoxOf,
    Interval,
    exactly,
)
from tapeflow.schemas.instruments import Instrument, InstrumentTable


def rate_box(
    table: InstrumentTable, at_par: tuple[str, ...], row: Instrument, box_of: BoxOf
) -> Interval:
    """Return the rate of what an instrument pays in: as Rates.settlement_rate."""
    if row.settlement not in at_par and row.inverse and row.quote in at_par:
        return box_of(table.number[row.id], long=True)
    return currency_box(table, at_par, row.settlement, box_of)


def currency_box(
    table: InstrumentTable, at_par: tuple[str, ...], currency: str, box_of: BoxOf
) -> Interval:
    """Return the rate of a currency."""
    if currency in at_par:
        return exactly(1.0)
    number = table.number_of_pair(currency, at_par)
    return UNKNOWN if number is None else box_of(number, long=True)


def value_box(row: Instrument, units: Decimal, prices: Interval) -> Interval:
    """Return what units are worth, in the settlement currency."""
    factor = float(units * row.multiplier)
    if not row.inverse:
        return prices.scale(factor)
    return Interval(1 / prices.high, 1 / prices.low).scale(-factor)


def profit_box(
    table: InstrumentTable,
    at_par: tuple[str, ...],
    money: Account,
    strategies: Iterable[str],
    box_of: BoxOf,
) -> Interval:
    """Return what some strategies of an account have made; UNKNOWN where a rate is not known."""
    total, owners = ZERO, {*strategies}
    if any(owner in owners and amounts for (owner, _), amounts in money.unvalued.items()):
        return UNKNOWN
    for strategy in sorted(owners & money.books.sums.keys()):
        sums = money.books.sums[strategy]
        total = total.plus(exactly(sums.realized - sums.fees + sums.funding))
        for name, position in sums.open.items():
            if name not in sums.foreign:
                total = total.plus(open_box(table.get(name), position, table.number[name], box_of))
        for name, position in sums.foreign.items():
            row = table.get(name)
            own = exactly(position.realized - position.fees + position.funding)
            if position.quantity:
                own = own.plus(open_box(row, position, table.number[name], box_of))
            if own != ZERO:
                total = total.plus(own.times(rate_box(table, at_par, row, box_of)))
    return total


def open_box(row: Instrument, position: PositionState, number: int, box_of: BoxOf) -> Interval:
    """Return the unrealized profit of a position, in its settlement currency."""
    prices = box_of(number, long=position.quantity > 0)
    return value_box(row, position.quantity, prices).plus(exactly(-position.cost))


def unit_notional_box(
    table: InstrumentTable, at_par: tuple[str, ...], row: Instrument, box_of: BoxOf, *, long: bool
) -> Interval:
    """Return the notional of one unit, in currencies at par: as holdings.unit_values."""
    prices = box_of(table.number[row.id], long=long)
    if not prices.is_known:
        return UNKNOWN
    if row.inverse:
        return exactly(row.multiplier)
    own = prices.scale(float(row.multiplier))
    if row.contract != "quanto":
        return own
    return own.times(rate_box(table, at_par, row, box_of))


def exposure_box(
    table: InstrumentTable, at_par: tuple[str, ...], holdings: Holdings, box_of: BoxOf
) -> tuple[float, float]:
    """Return how large gross and net can be, worst case by side; NaN: not known."""
    gross, longest, shortest = 0.0, ZERO, ZERO
    for name, holding in holdings.items():
        sides = []
        for units in (holding.longest, holding.shortest):
            value = unit_notional_box(table, at_par, table.get(name), box_of, long=units > 0)
            sides.append(value.scale(float(units)))
        gross += max(sides[0].largest, sides[1].largest) if all_known(sides) else math.nan
        longest, shortest = longest.plus(sides[0]), shortest.plus(sides[1])
    net = max(longest.largest, shortest.largest)
    return gross, net if longest.is_known and shortest.is_known else math.nan


def all_known(sides: Iterable[Interval]) -> bool:
    """Return whether all intervals have ends."""
    return all(each.is_known for each in sides)
