"""What the market said: ticks as columns, bars as values."""

from dataclasses import dataclass, fields
from typing import Annotated, ClassVar, Self

import numpy as np
import numpy.typing as npt
from msgspec import Struct

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bytes = npt.NDArray[np.uint8]

Ns = Annotated[int, "ns"]  # nanoseconds since the Unix epoch, UTC
Place = tuple[int, str, int]  # (log_ns, partition, offset): where in the log order

NO_TIME = -1  # the venue did not say when

BUY, SELL = 1, -1  # of an order; of a trade: the side of the aggressor

# The verdict on a trade. Each step may only turn ACCEPTED into something else.
ACCEPTED, DUPLICATE, LATE, HISTORY, OFF_MARKET = range(5)
# What became of a frame; DOUBT never leaves the decoder.
TICKS, HEARTBEAT, RECOGNISED, UNLISTED, MALFORMED, DOUBT = range(6)


@dataclass(frozen=True, slots=True)
class Columns:
    """Arrays of one length, a row each tick, in log order."""

    INTS: ClassVar[tuple[str, ...]] = ()
    FLOATS: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def empty(cls) -> Self:
        """No rows."""
        ints = {name: np.empty(0, np.int64) for name in cls.INTS}
        return cls(**ints, **{name: np.empty(0, np.float64) for name in cls.FLOATS})

    @classmethod
    def joined(cls, parts: list[Self]) -> Self:
        """The rows of all parts, in their order."""
        if len(parts) == 1:
            return parts[0]
        if not parts:
            return cls.empty()
        return cls(*(np.concatenate(column) for column in zip(*map(cls.arrays, parts), strict=True)))

    def arrays(self) -> list[npt.NDArray[np.generic]]:
        """The columns in the order of the fields."""
        return [getattr(self, field.name) for field in fields(self)]

    def take(self, rows: npt.NDArray[np.generic] | slice) -> Self:
        """Some of the rows: a mask, numbers or a slice."""
        return type(self)(*(column[rows] for column in self.arrays()))


@dataclass(frozen=True, slots=True)
class Trades(Columns):
    """Public trades, as every venue is made to say them."""

    INTS: ClassVar = (
        "offset", "log_ns", "instrument", "trade_id", "aggressor", "event_ns", "verdict",
    )  # fmt: skip
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


@dataclass(frozen=True, slots=True)
class Quotes(Columns):
    """Best bid and ask; a side that is empty, or of no told size, is NaN."""

    INTS: ClassVar = ("offset", "log_ns", "instrument", "event_ns")
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
        return f"{self.instrument}@{self.open_ns}+{self.close_ns - self.open_ns}"

    @property
    def place(self) -> Place:
        """Where in the log order it was closed."""
        return self.log_ns, self.partition, self.offset


class LateTrade(Struct, frozen=True, gc=False):
    """A trade whose bar had closed: in no bar, fills nothing."""

    instrument: str
    partition: str
    offset: int
    log_ns: Ns
    event_ns: Ns
    trade_id: int
    aggressor: int
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
