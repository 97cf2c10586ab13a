"""The dialects of the venues, one module each: how raw frames become columns."""

from collections.abc import Callable

from msgspec import Struct

from tapeflow.schemas.venues import binance, binance_usdm, coinbase
from tapeflow.schemas.venues.dialect import Dialect


class Venue(Struct, frozen=True):
    """A venue: how its frames are read, and how it writes symbols."""

    dialect: Dialect
    venue_symbol: Callable[[str, str], str]  # (base, quote) -> the symbol the venue writes


VENUES = {  # by the name of their partitions and topics
    "binance": Venue(binance.DIALECT, binance.venue_symbol),
    "binance-usdm": Venue(binance_usdm.DIALECT, binance_usdm.venue_symbol),
    "coinbase": Venue(coinbase.DIALECT, coinbase.venue_symbol),
}


def venue_of(partition: str) -> str:
    """Return the venue of a partition.

    >>> venue_of("binance-usdm-0")
    'binance-usdm'
    """
    return partition.rpartition("-")[0]
