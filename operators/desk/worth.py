"""Value the positions of a strategy at the marks, in the currencies at par.

    paid at par      sums of the books + open positions at their marks
    paid in BTC      realized, unrealized, fees, funding in BTC, each times the rate of BTC now
    no rate known    in no sum, and named: "0.00125 BTC"

What was realized in a currency of its own is worth what that currency is: it rises and falls with
it, also when nothing is open any more.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal

from tapeflow.operators.desk.books import StrategySums
from tapeflow.operators.desk.contracts import position_value
from tapeflow.operators.desk.positions import ZERO, PositionState
from tapeflow.operators.desk.rates import Rates
from tapeflow.operators.desk.reach import REACH_MAX
from tapeflow.schemas.decimals import round_to_digits
from tapeflow.schemas.instruments import Instrument

MarkOf = Callable[..., tuple[Decimal, int]]  # (number of an instrument, long=) -> price, log time


@dataclass(slots=True)
class Worth:
    """Sums of money in one currency, and what is in none of them."""

    realized: Decimal = ZERO
    fees: Decimal = ZERO
    funding: Decimal = ZERO
    unrealized: Decimal = ZERO
    gross: Decimal = ZERO  # |value| of what is open
    oldest_ns: int | None = None  # log time of the oldest mark; None: nothing is open
    unvalued: dict[str, Decimal] = field(default_factory=dict)  # by currency

    @property
    def equity(self) -> Decimal:
        """Return what was made, and is made if all is closed at the marks."""
        return self.realized + self.unrealized - self.fees + self.funding

    def add_open(
        self, row: Instrument, position: PositionState, mark: tuple[Decimal, int], digits: int
    ) -> None:
        """Add an open position at its mark (price, log time), in its settlement currency."""
        value = position_value(row, position, mark[0], digits)
        self.unrealized += value - position.cost
        self.gross += abs(value)
        self.oldest_ns = mark[1] if self.oldest_ns is None else min(self.oldest_ns, mark[1])

    def add_converted(
        self, other: "Worth", currency: str, rate: Decimal | None, digits: int
    ) -> None:
        """Add sums in another currency at its rate; name them without one, or beyond the tables."""
        names = ("realized", "fees", "funding", "unrealized", "gross")
        amounts = {name: getattr(other, name) for name in names}
        if other.oldest_ns is not None:
            self.oldest_ns = min(other.oldest_ns, self.oldest_ns or other.oldest_ns)
        if rate is None or any(abs(each * rate) >= REACH_MAX for each in amounts.values()):
            self.add_unvalued(currency, other.equity)
            return
        for name, amount in amounts.items():
            setattr(self, name, getattr(self, name) + round_to_digits(amount * rate, digits))

    def add_unvalued(self, currency: str, amount: Decimal) -> None:
        """Name an amount that is in no sum, with those of the same currency."""
        if total := self.unvalued.get(currency, ZERO) + amount:
            self.unvalued[currency] = total
        else:
            self.unvalued.pop(currency, None)


def strategy_worth(sums: StrategySums, rates: Rates, mark_of: MarkOf, digits: int) -> Worth:
    """Return what the positions of a strategy are worth at some marks and rates."""
    total = Worth(sums.realized, sums.fees, sums.funding)
    for name, position in sums.open.items():
        if name not in sums.foreign:
            number = rates.table.number[name]
            mark = mark_of(number, long=position.quantity > 0)
            total.add_open(rates.table.rows[number], position, mark, digits)
    for name, position in sums.foreign.items():
        number = rates.table.number[name]
        row, own = (
            rates.table.rows[number],
            Worth(position.realized, position.fees, position.funding),
        )
        if position.quantity:
            own.add_open(row, position, mark_of(number, long=position.quantity > 0), digits)
        total.add_converted(own, row.settlement, rates.settlement_rate(row), digits)
    return total


def format_amounts(amounts: dict[str, Decimal]) -> str:
    """Return amounts by currency as a text, sorted by currency.

    >>> format_amounts({"BNB": Decimal("0.00120"), "BTC": Decimal(1)})
    '0.0012 BNB, 1 BTC'
    """
    return ", ".join(f"{amount.normalize():f} {name}" for name, amount in sorted(amounts.items()))
