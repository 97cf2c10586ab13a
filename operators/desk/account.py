"""The money of an account: cash, positions, fees and volumes; fills are booked by booking.py.

    spot        buy 1 BTC @ 100, fee 0.1 USDT      USDT -100 -0.1    BTC +1
                the same, fee 0.001 BTC            USDT -100         BTC +1 -0.001
    contract    close what was 100 at 110, fee 0.1 USDT +10 -0.1     in settlement currency

A fee in base is a small sale at the price of the fill: the position is less, its entry price stays,
and the fee is in `fees` by its value. A fee in a third currency is in `fees` by its value, and in
the cash of its own currency. By currency, at any time:
    cash == realized - cost of spot - fees + funding, but for fees of which no price was known
"""

from dataclasses import dataclass, field
from decimal import Decimal

from msgspec import Struct

from tapeflow.operators.desk.books import Books
from tapeflow.operators.desk.positions import ZERO, PositionState
from tapeflow.operators.desk.rates import Rates
from tapeflow.operators.desk.volumes import Volumes
from tapeflow.operators.desk.worth import MarkOf, Worth, strategy_worth
from tapeflow.schemas.instruments import Instrument

Amounts = dict[str, Decimal]  # by currency


@dataclass(slots=True)
class Account:
    """The money and the positions of an account, changed in place."""

    books: Books = field(default_factory=Books)
    cash: Amounts = field(default_factory=dict)  # since the beginning: it starts at 0
    net: dict[str, Decimal] = field(default_factory=dict)  # by instrument, over all strategies
    fees: Amounts = field(default_factory=dict)  # paid so far
    volumes: Volumes = field(default_factory=Volumes)
    unvalued: dict[tuple[str, str], Amounts] = field(default_factory=dict)  # fees, by position

    def pay(self, currency: str, amount: Decimal) -> None:
        """Add an amount to the cash of a currency."""
        self.cash[currency] = self.cash.get(currency, ZERO) + amount

    def put(self, strategy: str, row: Instrument, position: PositionState) -> None:
        """Replace a position of a strategy, and with it the net one of the account."""
        change = position.quantity - self.books.get(strategy, row.id).quantity
        self.net[row.id] = self.net.get(row.id, ZERO) + change
        self.books.put(strategy, row.id, position)

    def worth(self, strategy: str, rates: Rates, mark_of: MarkOf, digits: int) -> Worth:
        """Return what the positions of a strategy are worth, and what is in no sum of it."""
        worth = strategy_worth(self.books.sums[strategy], rates, mark_of, digits)
        for (owner, _), amounts in self.unvalued.items():
            if owner == strategy:
                for currency, amount in amounts.items():
                    worth.add_unvalued(currency, -amount)
        return worth


class AccountRows(Struct):
    """The plain form of an account, for snapshots."""

    positions: list[tuple[str, str, PositionState]]
    cash: Amounts
    fees: Amounts
    volumes: dict[str, dict[int, Decimal]]
    unvalued: list[tuple[str, str, Amounts]]


def account_rows(account: Account) -> AccountRows:
    """Return the plain form of an account."""
    return AccountRows(
        positions=[*account.books.rows()],
        cash=account.cash,
        fees=account.fees,
        volumes=account.volumes.by_venue,
        unvalued=[(*key, amounts) for key, amounts in account.unvalued.items()],
    )


def account_of(rows: AccountRows, foreign: frozenset[str]) -> Account:
    """Return the account of its plain form; `foreign` as in Books."""
    net: dict[str, Decimal] = {}
    for _, instrument, position in rows.positions:
        net[instrument] = net.get(instrument, ZERO) + position.quantity
    return Account(
        books=Books.from_rows(rows.positions, foreign),
        cash=rows.cash,
        net=net,
        fees=rows.fees,
        volumes=Volumes(rows.volumes),
        unvalued={(owner, name): amounts for owner, name, amounts in rows.unvalued},
    )
