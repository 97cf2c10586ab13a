"""Instruments: what is traded, each named `BASE-QUOTE[-PERP].VENUE`."""

from decimal import Decimal

from msgspec import Struct


class Instrument(Struct, frozen=True):
    """One tradable thing at one venue; prices and sizes are multiples of `tick` and `lot`."""

    id: str  # BTC-USDT.BINANCE, BTC-USDT-PERP.BINANCE-USDM
    venue: str  # BINANCE; in lower case the name of its partitions and topics
    base: str  # the currency that is traded
    quote: str  # the currency of prices, fees and profit
    kind: str  # spot | perp
    venue_symbol: str  # as the venue writes it: BTCUSDT
    tick: Decimal  # smallest step of a price, in quote
    lot: Decimal  # smallest step of a size, in base
    multiplier: Decimal  # base units in one unit of size


class Names(Struct, frozen=True):
    """The parts of an instrument's id."""

    venue: str
    base: str
    quote: str
    kind: str


def parse_id(instrument: str) -> Names:
    """Split an id into its parts.

    >>> parse_id("BTC-USDT-PERP.BINANCE-USDM")
    Names(venue='BINANCE-USDM', base='BTC', quote='USDT', kind='perp')

    Raises ValueError for any other form.
    """
    pair, dot, venue = instrument.partition(".")
    match pair.split("-"):
        case [base, quote] if dot and base and quote and venue:
            return Names(venue, base, quote, "spot")
        case [base, quote, "PERP"] if dot and base and quote and venue:
            return Names(venue, base, quote, "perp")
    raise ValueError(
        f"{instrument!r} is no instrument id: write BASE-QUOTE.VENUE, as BTC-USDT.BINANCE"
    )
