"""Value fills, positions and orders of linear, inverse and quanto contracts.

    linear    size * multiplier * price     in quote      spot, BTC-USDT perpetuals
    quanto    size * multiplier * price     in settle     ETHUSD that pays BTC: points times BTC
    inverse   size * multiplier / price     in base       BTCUSD: contracts of 100 USD

A long inverse contract owes base and is owed quote: its value has the other sign. So all three are
booked alike: realized + (value - cost), where the average entry of an inverse one is harmonic.
"""

from decimal import Decimal

from tapeflow.operators.desk.positions import PositionState, entry_price, market_value
from tapeflow.schemas.decimals import round_to_digits
from tapeflow.schemas.instruments import Instrument


def fill_value(row: Instrument, size: Decimal, price: Decimal, digits: int) -> Decimal:
    """Return what `size` > 0 is worth at a price, in the settlement currency, rounded once.

    `digits` are those after the point that money has.
    """
    return round_to_digits(exact_value(row, size, price), digits)


def exact_value(row: Instrument, size: Decimal, price: Decimal) -> Decimal:
    """Return what `size` is worth at a price, in the settlement currency, not rounded."""
    units = size * row.multiplier
    return units / price if row.inverse else units * price


def notional(row: Instrument, size: Decimal, price: Decimal) -> Decimal:
    """Return the notional of `size`: of a quanto contract in settlement currency, else in quote.

    That of an inverse contract does not depend on the price: contracts of 100 USD are 100 USD.
    """
    return size * row.multiplier if row.inverse else size * row.multiplier * price


def position_value(row: Instrument, position: PositionState, mark: Decimal, digits: int) -> Decimal:
    """Return what a position is worth at `mark`, in the settlement currency; see market_value."""
    return market_value(position, mark, row.multiplier, digits, inverse=row.inverse)


def average_entry(row: Instrument, position: PositionState) -> Decimal:
    """Return the average price of what is open, of an inverse contract the harmonic one."""
    return entry_price(position, row.multiplier, inverse=row.inverse)
