"""A bar as a value; as columns, bars are in market.py."""

from msgspec import Struct

from tapeflow.schemas.time import Ns


class Bar(Struct, frozen=True, gc=False):
    """Accepted trades of one instrument over [open, close) of event time; DOUBLE, not money."""

    instrument: str
    venue: str
    open_ns: Ns  # start of the bar
    close_ns: Ns  # end of the bar, not part of it
    open: float  # price of the trade with the smallest event time; of several, see `[bars] ties`
    high: float  # largest price
    low: float  # smallest price
    close: float  # price of the trade with the largest event time; of several, see `[bars] ties`
    volume: float  # sum of sizes
    vwap: float  # notional / volume
    count: int  # number of trades, of which an aggTrade has several
    buy_volume: float  # volume taken by buyers
    notional: float  # sum of price * size
    buy_notional: float  # notional taken by buyers
    complete: bool  # False: the log began, ended or paused in this bar, or trades of it are missing
    log_ns: Ns  # of the record that closed the bar
    partition: str
    offset: int  # of the record that closed the bar
    first_offset: int  # its trades lie in [first_offset, last_offset] of the partition
    last_offset: int  # the end of that range, part of it


class OtherBar(Bar, frozen=True, gc=False):
    """A bar of another kind than the job's width, as `[bars] more` or a strategy asks for it."""

    kind: str  # a width, or tick, volume, dollar or quote with how much of it
    spread: float | None  # of a bar of quotes: ask - bid, the mean weighted by time
    imbalance: float | None  # the same of (bid size - ask size) / (bid size + ask size)
    microprice: (
        float | None
    )  # the same of (bid * ask size + ask * bid size) / (bid size + ask size)


QUOTED = ("spread", "imbalance", "microprice")  # fields that only bars of quotes have


def bar_id(instrument: str, open_ns: int, close_ns: int) -> str:
    """Return the id of a bar, which a signal holds as its cause: instrument, start, width (ns).

    >>> bar_id("BTC-USD.COINBASE", 60_000_000_000, 61_000_000_000)
    'BTC-USD.COINBASE@60000000000+1000000000'
    """
    return f"{instrument}@{open_ns}+{close_ns - open_ns}"
