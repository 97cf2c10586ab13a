"""Rates: what one unit of a currency is worth in the currencies at par, at a price that existed.

    USDT  at par                   1
    BTC   of an inverse BTCUSD     its own mark: the base in quote
    BTC   of a quanto, BNB a fee   the mark of the instrument BTC-USDT, BNB-USDT of the job

Where there is no such instrument, or no price of it yet, the rate is not known: None, never 0 or 1.
"""

from collections.abc import Callable
from decimal import Decimal

from msgspec import Struct

from tapeflow.operators.desk.marks import Marks
from tapeflow.schemas.decimals import to_decimal
from tapeflow.schemas.instruments import Instrument, InstrumentTable

ONE = Decimal(1)


class Rates(Struct, frozen=True):
    """The rates of an account at some marks."""

    table: InstrumentTable
    at_par: tuple[str, ...]  # quote currencies that are added up one to one
    price_of: Callable[[int], Decimal | None]  # by number of an instrument

    def rate(self, currency: str) -> Decimal | None:
        """Return what one unit of a currency is worth, None where that is not known."""
        if currency in self.at_par:
            return ONE
        number = self.table.number_of_pair(currency, self.at_par)
        return None if number is None else self.price_of(number)

    def settlement_rate(self, row: Instrument) -> Decimal | None:
        """Return what one unit of the currency is worth in which an instrument pays."""
        if row.settlement not in self.at_par and row.inverse and row.quote in self.at_par:
            return self.price_of(self.table.number[row.id])
        return self.rate(row.settlement)


def marked_rates(table: InstrumentTable, at_par: tuple[str, ...], marks: Marks) -> Rates:
    """Return the rates at the present marks."""

    def price_of(number: int) -> Decimal | None:
        price = marks.closing_price(number, long=True).price
        return to_decimal(price) if price > 0 else None  # NaN: none yet

    return Rates(table, at_par, price_of)


def foreign_instruments(table: InstrumentTable, at_par: tuple[str, ...]) -> frozenset[str]:
    """Return the ids of the instruments that pay in no currency at par."""
    return frozenset(row.id for row in table.rows if row.settlement not in at_par)
