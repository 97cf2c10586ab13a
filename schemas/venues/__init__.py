"""One page for each venue dialect: raw frames on one side, our words on the other."""

from collections.abc import Callable

from msgspec import Struct

from schemas.venues import binance, binance_usdm, coinbase
from schemas.venues.dialect import Dialect


class Venue(Struct, frozen=True):
    """A venue as the log knows it."""

    dialect: Dialect
    native: Callable[[str, str], str]  # base, quote -> the venue's symbol


VENUES = {  # by the name of their partitions and topics
    "binance": Venue(binance.DIALECT, binance.native),
    "binance-usdm": Venue(binance_usdm.DIALECT, binance_usdm.native),
    "coinbase": Venue(coinbase.DIALECT, coinbase.native),
}


def venue_of(partition: str) -> str:
    """The venue's name in a partition's.

    >>> venue_of("binance-usdm-0")
    'binance-usdm'
    """
    return partition.rpartition("-")[0]
