"""Holdings of a scope: units and open sizes by instrument, and their notionals at the marks.

scope ──▶ accounts and strategies in it ──▶ units, buys, sells by instrument
└─ x mark ──▶ gross, net: worst case by side
"""

import math
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import NamedTuple

from tapeflow.operators.desk.contracts import notional
from tapeflow.operators.desk.equity import exact_mark, notional_rate
from tapeflow.operators.desk.rates import ONE
from tapeflow.operators.desk.risk.open_sizes import NONE_OPEN, ZERO, Sides
from tapeflow.operators.desk.risk.scopes import holds_instrument
from tapeflow.operators.desk.settings import DeskSettings
from tapeflow.operators.desk.state import AccountState, State


class Holding(NamedTuple):
    """Units held and sizes open in one instrument."""

    units: Decimal = ZERO
    sides: Sides = NONE_OPEN

    def plus(self, other: "Holding") -> "Holding":
        """Return the sum of both."""
        (buys, sells), (more_buys, more_sells) = self.sides, other.sides
        return Holding(self.units + other.units, Sides(buys + more_buys, sells + more_sells))

    def with_open(self, side: int, size: Decimal) -> "Holding":
        """Return it with an open order more."""
        return Holding(self.units, self.sides.add(side, size))

    @property
    def longest(self) -> Decimal:
        """The units if all buys fill and no sell."""
        return self.units + self.sides.buys

    @property
    def shortest(self) -> Decimal:
        """The units if all sells fill and no buy."""
        return self.units - self.sides.sells

    @property
    def worst(self) -> Decimal:
        """The largest position that it can become, long or short."""
        return max(abs(self.longest), abs(self.shortest))


NOTHING = Holding()
Holdings = dict[str, Holding]  # by instrument
Values = Callable[..., float]  # (instrument, long=) -> notional of one unit, NaN: not known


def holdings_of(state: State, settings: DeskSettings, scope: str) -> Holdings:
    """Return what a scope holds, of instruments of which it holds anything."""
    kind, _, name = scope.partition(":")
    accounts = [state.accounts[name]] if kind == "account" else [*state.accounts.values()]
    found: Holdings = {}
    for each in accounts:
        held = of_strategy(state, each, name) if kind == "strategy" else of_account(state, each)
        for instrument, holding in held:
            if holds_instrument(settings, scope, instrument):
                found[instrument] = found.get(instrument, NOTHING).plus(holding)
    return found


def of_strategy(
    state: State, account: AccountState, strategy: str
) -> Iterator[tuple[str, Holding]]:
    """Yield what a strategy holds in an account."""
    sums = account.money.books.sums.get(strategy)
    held = {} if sums is None else sums.open
    sides = state.risk.open_sizes.of_strategy.get((account.name, strategy), {})
    for instrument in held | sides:
        units = held[instrument].quantity if instrument in held else ZERO
        yield instrument, Holding(units, sides.get(instrument, NONE_OPEN))


def of_account(state: State, account: AccountState) -> Iterator[tuple[str, Holding]]:
    """Yield what an account holds, over all its strategies."""
    net, sides = account.money.net, state.risk.open_sizes.of_account[account.name]
    for instrument, units in net.items():
        if units and instrument not in sides:
            yield instrument, Holding(units)
    for instrument, each in sides.items():
        yield instrument, Holding(net.get(instrument, ZERO), each)


def unit_values(state: State, settings: DeskSettings, account: str) -> Values:
    """Return what gives the notional of one unit at its mark, in currencies at par."""
    known: dict[tuple[str, bool], float] = {}

    def value(instrument: str, *, long: bool) -> float:
        if (instrument, long) not in known:
            known[instrument, long] = find_value(instrument, long=long)
        return known[instrument, long]

    def find_value(instrument: str, *, long: bool) -> float:
        row = settings.instruments.get(instrument)
        number = settings.instruments.number[instrument]
        price = state.merge.marks.closing_price(number, long=long).price
        rate = notional_rate(state, settings, account, row)
        if rate is None or not price > 0 or math.isinf(price):
            return math.nan
        return float(notional(row, ONE, exact_mark(state.merge.marks, number, long=long)[0]) * rate)

    return value


class Notionals(NamedTuple):
    """The sums of a scope, in currencies at par; NaN: not known."""

    gross: float
    net: float  # the larger one of both sides
    by_instrument: dict[str, float]
    longest: dict[str, float]  # signed, by instrument: if all buys fill
    shortest: dict[str, float]


def notionals(holdings: Holdings, values: Values) -> Notionals:
    """Return the sums of holdings, worst case by side."""
    by_instrument: dict[str, float] = {}
    longs: dict[str, float] = {}
    shorts: dict[str, float] = {}
    for instrument, holding in holdings.items():
        longest, shortest = holding.longest, holding.shortest
        longs[instrument] = float(longest) * values(instrument, long=longest > 0)
        shorts[instrument] = float(shortest) * values(instrument, long=shortest > 0)
        long, short = abs(longs[instrument]), abs(shorts[instrument])
        by_instrument[instrument] = long if long >= short or math.isnan(long) else short
    net = max(abs(math.fsum(longs.values())), abs(math.fsum(shorts.values())))
    return Notionals(math.fsum(by_instrument.values()), net, by_instrument, longs, shorts)
