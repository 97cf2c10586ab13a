"""What the market said: ticks and bars as columns, all else as values."""

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Annotated, ClassVar, Self

import numpy as np
import numpy.typing as npt
from msgspec import Struct
from msgspec.structs import astuple, replace

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bytes = npt.NDArray[np.uint8]
Bools = npt.NDArray[np.bool_]

Ns = Annotated[int, "ns"]  # nanoseconds since the Unix epoch, UTC
Side = Annotated[int, "side"]  # BUY or SELL
Place = tuple[int, str, int]  # (log_ns, partition, offset): where in the log order

NO_TIME = -1  # the venue did not say when

BUY, SELL = 1, -1  # of an order; of a trade: the side of the aggressor

# The verdict on a trade. Each step may only turn ACCEPTED into something else.
ACCEPTED, DUPLICATE, LATE, HISTORY, OFF_MARKET = range(5)
# What became of a frame; DOUBT never leaves the decoder.
TICKS, HEARTBEAT, RECOGNISED, UNLISTED, MALFORMED, DOUBT = range(6)


class Columns(Struct, frozen=True, eq=False):
    """Arrays of one length, in log order."""

    FLOATS: ClassVar[tuple[str, ...]] = ()
    BOOLS: ClassVar[tuple[str, ...]] = ()  # the others are int64

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """The columns' names."""
        return cls.__struct_fields__

    @classmethod
    @cache
    def empty(cls) -> Self:
        """No rows."""
        kinds = dict.fromkeys(cls.FLOATS, np.float64) | dict.fromkeys(cls.BOOLS, np.bool_)
        return cls(*(np.empty(0, kinds.get(name, np.int64)) for name in cls.names()))

    @classmethod
    def joined(cls, parts: list[Self]) -> Self:
        """The rows of all parts, in their order."""
        if len(parts) == 1:
            return parts[0]
        if not parts:
            return cls.empty()
        return cls(
            *(np.concatenate(column) for column in zip(*map(cls.arrays, parts), strict=True))
        )

    def arrays(self) -> tuple[npt.NDArray[np.generic], ...]:
        """The columns in the order of their names."""
        return astuple(self)

    def take(self, rows: npt.NDArray[np.generic] | slice) -> Self:
        """Some of the rows: a mask, numbers or a slice."""
        return type(self)(*(column[rows] for column in self.arrays()))


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

    def judged(self, verdict: Ints) -> "Trades":
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
    def place(self) -> Place:
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


class LateTrade(Struct, frozen=True, gc=False):
    """A trade whose bar had closed: in no bar, fills nothing."""

    instrument: str
    partition: str
    offset: int
    log_ns: Ns
    event_ns: Ns
    trade_id: int
    aggressor: Side
    price: float
    size: float


class DeadLetter(Struct, frozen=True):
    """A frame that is no tick and nothing else we know, and why."""

    partition: str
    offset: int
    log_ns: Ns
    reason: str
    frame: bytes  # as it came; the first 64 KiB of it
    length: int  # bytes of the whole frame


class Quality(Struct, frozen=True, gc=False):
    """What became of the records of a minute of log time; the rows of any table of it add up.

    A record counts in the row of the instrument it first speaks of; one that speaks of none, in the
    row of no instrument. The counts behind `unlisted` are of trades and quotes, not of records.
    """

    partition: str
    instrument: str | None
    time_ns: Ns  # begin of the minute
    records: int
    heartbeats: int
    recognised: int  # acks, status frames, channels we keep nothing of
    malformed: int
    unlisted: int
    quotes: int
    duplicate: int
    late: int
    history: int  # old trades, sent on subscribing
    off_market: int
    accepted: int


class Metric(Struct, frozen=True, gc=False):
    """A measure over a minute of log time; of the log alone, so the same in every run."""

    partition: str
    name: str
    time_ns: Ns  # begin of the minute
    value: float
