"""Fees of fills: the venue's rate, by tier, and the currency in which it is paid.

    currency   spot                                        contracts
    quote      notional * rate, in quote                   value * rate, in settlement currency
    base       of a buy in base: less is received;         the same
               of a sell in quote, which it receives
    BNB        what it would be in quote, at the price     what it would be in settlement currency,
               of BNB; without one in quote                at the price of BNB; without one in that

The tier of a fill is that of what the account traded at the venue in the 30 days before its own.
"""

from decimal import Decimal

from msgspec import Struct

from tapeflow.operators.desk.rates import Rates
from tapeflow.schemas.decimals import round_to_digits
from tapeflow.schemas.instruments import Instrument
from tapeflow.schemas.sides import BUY

QUOTE, BASE = "quote", "base"
MAKER = "MAKER"


class FeeTier(Struct, frozen=True):
    """The rates from a traded volume on, as parts of the value of a fill; below 0 a rebate."""

    volume: Decimal
    maker: Decimal
    taker: Decimal


class VenueFees(Struct, frozen=True):
    """The fees of one venue; the first tier begins at a volume of 0."""

    tiers: tuple[FeeTier, ...]
    currency: str = QUOTE

    def rate(self, liquidity: str, volume: Decimal) -> Decimal:
        """Return the rate of a fill of an account that traded `volume` before."""
        tier = next(each for each in reversed(self.tiers) if each.volume <= volume)
        return tier.maker if liquidity == MAKER else tier.taker


class FeeTable(Struct, frozen=True):
    """The fees of all venues."""

    other: VenueFees  # of a venue that is not in `by_venue`
    by_venue: dict[str, VenueFees]  # by name in lower case

    def of_venue(self, venue: str) -> VenueFees:
        """Return the fees of a venue."""
        return self.by_venue.get(venue.lower(), self.other)


class Fee(Struct, frozen=True):
    """The cost of a fill."""

    amount: Decimal  # positive: paid
    currency: str
    value: Decimal | None  # in the settlement currency; None: no price of `currency` is known

    def is_in_base(self, row: Instrument) -> bool:
        """Return whether it was paid in what is held of an instrument of spot."""
        return row.is_spot and self.currency == row.base


class FillMoney(Struct, frozen=True):
    """A fill in money, before its fee."""

    row: Instrument
    side: int
    size: Decimal
    price: Decimal
    worth: Decimal  # above 0, in the settlement currency


def charge_fee(fill: FillMoney, rate: Decimal, currency: str, rates: Rates, digits: int) -> Fee:
    """Return the fee of a fill at a rate, in `currency`: quote, base, or a code."""
    row = fill.row
    value = round_to_digits(fill.worth * rate, digits)
    if currency == BASE and row.is_spot and fill.side == BUY:
        return fee_in_base(fill, fill.size * row.multiplier * rate, digits)
    if currency in (QUOTE, BASE, row.settlement):
        return Fee(value, row.settlement, value)
    if row.is_spot and currency == row.base:
        return fee_in_base(fill, fill.size * row.multiplier * rate, digits)
    own, other = rates.settlement_rate(row), rates.rate(currency)
    if own is None or other is None:
        return Fee(value, row.settlement, value)
    return Fee(round_to_digits(value * own / other, digits), currency, value)


def fee_in_base(fill: FillMoney, units: Decimal, digits: int) -> Fee:
    """Return a fee of some units of the base, worth what the fill paid for them."""
    amount = round_to_digits(units, digits)
    return Fee(amount, fill.row.base, round_to_digits(amount * fill.price, digits))


def reported_fee(fill: FillMoney, amount: Decimal, currency: str, rates: Rates, digits: int) -> Fee:
    """Return the fee that a venue reports of a fill, with what it is worth."""
    row = fill.row
    if currency == row.settlement:
        return Fee(amount, currency, amount)
    if row.is_spot and currency == row.base:
        return Fee(amount, currency, round_to_digits(amount * fill.price, digits))
    own, other = rates.settlement_rate(row), rates.rate(currency)
    if own is None or other is None:
        return Fee(amount, currency, None)
    return Fee(amount, currency, round_to_digits(amount * other / own, digits))
