"""What the market said: ticks and bars as columns, a bar also as a value."""

from collections.abc import Iterator, Sequence
from typing import Annotated, ClassVar

from msgspec import Struct
from msgspec.structs import replace

from tapeflow.schemas.columns import Bools, Columns, Floats, Ints
from tapeflow.schemas.time import LogPosition, Ns

Side = Annotated[int, "side"]  # BUY or SELL
BUY, SELL = 1, -1  # of an order; of a trade: the side of the aggressor

# The verdict on a trade. Each step may only turn ACCEPTED into something else.
ACCEPTED, DUPLICATE, LATE, HISTORICAL, OFF_MARKET = range(5)
# What became of a frame; DOUBT never leaves the decoder.
DECODED, HEARTBEAT, IGNORED, UNLISTED, MALFORMED, SLOW_PATH = range(6)


class Trades(Columns, frozen=True, eq=False):
    """Public trades, as every venue is made to say them."""

    FLOATS: ClassVar = ("price", "size")

    offset: Ints  # of the record in its partition; rows of one record share it
    log_ns: Ints
    instrument: Ints  # its number in the job's table, which is sorted by id
    trade_id: Ints  # the venue's; unique within an instrument
    aggressor: Ints  # BUY or SELL: the side that took
    event_ns: Ints  # when the venue matched it
    verdict: Ints
    price: Floats  # the float64 nearest to the venue's decimal, in quote
    size: Floats  # in base, or contracts where the multiplier is not 1

    def __len__(self) -> int:
        return len(self.offset)

    def with_verdict(self, verdict: Ints) -> "Trades":
        """The same with another verdict on each."""
        return replace(self, verdict=verdict)


class Quotes(Columns, frozen=True, eq=False):
    """Best bid and ask; a side that is empty, or of no told size, is NaN."""

    FLOATS: ClassVar = ("bid", "bid_size", "ask", "ask_size")

    offset: Ints
    log_ns: Ints
    instrument: Ints
    event_ns: Ints  # NO_TIME where the venue does not say
    bid: Floats
    bid_size: Floats
    ask: Floats
    ask_size: Floats

    def __len__(self) -> int:
        return len(self.offset)


class Bar(Struct, frozen=True, gc=False):
    """Accepted trades of one instrument over [open, close) of event time; DOUBLE, not money."""

    instrument: str
    venue: str
    open_ns: Ns
    close_ns: Ns
    open: float  # price of the smallest event time; of equals the first in the log
    high: float
    low: float
    close: float  # price of the largest event time; of equals the last in the log
    volume: float  # sum of sizes
    vwap: float  # notional / volume
    count: int
    buy_volume: float  # of it, what buyers took
    notional: float  # sum of price * size
    buy_notional: float
    complete: bool  # False: the log began or ended inside this bar
    log_ns: Ns  # of the record that closed the bar
    partition: str
    offset: int  # of the record that closed the bar
    first_offset: int  # its trades lie in [first_offset, last_offset] of the partition
    last_offset: int

    @property
    def id(self) -> str:
        """What a signal names as its cause."""
        return bar_id(self.instrument, self.open_ns, self.close_ns)

    @property
    def place(self) -> LogPosition:
        """Where in the log order it was closed."""
        return self.log_ns, self.partition, self.offset


class Bars(Columns, frozen=True, eq=False):
    """Bars of one partition as columns, in the order they were closed in; the fields of `Bar`."""

    FLOATS: ClassVar = (
        "open", "high", "low", "close", "volume", "vwap", "notional", "buy_volume", "buy_notional",
    )  # fmt: skip
    BOOLS: ClassVar = ("complete",)

    instrument: Ints  # its number in the job's table
    open_ns: Ints
    close_ns: Ints
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    vwap: Floats
    count: Ints
    buy_volume: Floats
    notional: Floats
    buy_notional: Floats
    complete: Bools
    log_ns: Ints
    offset: Ints
    first_offset: Ints
    last_offset: Ints

    def __len__(self) -> int:
        return len(self.instrument)

    def values(self, partition: str, instruments: Sequence[str]) -> Iterator[Bar]:
        """Each bar as a value; ids of the instruments by number."""
        whole = dict(zip(self.names(), (each.tolist() for each in self.arrays()), strict=True))
        names = [instruments[number] for number in whole["instrument"]]
        venues = [name.partition(".")[2] for name in names]
        whole |= {"instrument": names, "venue": venues, "partition": [partition] * len(names)}
        rows = zip(*(whole[name] for name in Bar.__struct_fields__), strict=True)
        return (Bar(*row) for row in rows)


def bar_id(instrument: str, open_ns: int, close_ns: int) -> str:
    """The id of a bar.

    >>> bar_id("BTC-USD.COINBASE", 60_000_000_000, 61_000_000_000)
    'BTC-USD.COINBASE@60000000000+1000000000'
    """
    return f"{instrument}@{open_ns}+{close_ns - open_ns}"
