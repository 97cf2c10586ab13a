"""The dialects of the venues, one module each: how raw frames become columns.

A partition of any venue may also hold frames of our own dialect (imported.py).
"""

from collections.abc import Callable

from msgspec import Struct
from msgspec.structs import replace

from tapeflow.schemas.venues import binance, binance_usdm, coinbase, imported
from tapeflow.schemas.venues.dialect import Dialect


class Venue(Struct, frozen=True):
    """A venue: how its frames are read, and how it writes symbols."""

    dialect: Dialect
    venue_symbol: Callable[[str, str], str]  # (base, quote) -> the symbol the venue writes


def add_imported_channels(dialect: Dialect) -> Dialect:
    """Return the dialect of a venue with the channels of our own behind those of the venue."""
    return replace(dialect, channels=(*dialect.channels, *imported.CHANNELS))


VENUES = {  # by the name of their partitions and topics
    "binance": Venue(add_imported_channels(binance.DIALECT), binance.venue_symbol),
    "binance-usdm": Venue(add_imported_channels(binance_usdm.DIALECT), binance_usdm.venue_symbol),
    "coinbase": Venue(add_imported_channels(coinbase.DIALECT), coinbase.venue_symbol),
}


def venue_of(partition: str) -> str:
    """Return the venue of a partition.

    >>> venue_of("binance-usdm-0")
    'binance-usdm'
    """
    return partition.rpartition("-")[0]
