"""What became of the records of the log: counts, and what was not used, each with its reason."""

from msgspec import Struct

from tapeflow.schemas.market import Side
from tapeflow.schemas.time import Ns


class LateTrade(Struct, frozen=True, gc=False):
    """A trade whose bar had closed: it is in no bar and fills nothing."""

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
    """A frame that could not be read, and why."""

    partition: str
    offset: int
    log_ns: Ns
    reason: str
    frame: bytes  # as it came; the first 64 KiB of it
    length: int  # bytes of the whole frame


class QualityCounts(Struct, frozen=True, gc=False):
    """What became of the records of a minute of log time; the counts of records add up.

    A record counts in the row of the first instrument it is about; one that is about none, in the
    row without an instrument. The counts behind `unlisted` are of ticks, not of records.
    """

    partition: str
    instrument: str | None
    time_ns: Ns  # start of the minute
    records: int
    heartbeats: int
    ignored: int  # acks, status frames, channels that are not stored
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
    time_ns: Ns  # start of the minute
    value: float
