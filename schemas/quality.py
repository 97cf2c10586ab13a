"""What became of the records of the log: counts, and what was not used, each with its reason."""

from msgspec import Struct

from tapeflow.schemas.market import Side
from tapeflow.schemas.time import Ns


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


class QualityCounts(Struct, frozen=True, gc=False):
    """What became of the records of a minute of log time; the rows of any table of it add up.

    A record counts in the row of the instrument it first speaks of; one that speaks of none, in the
    row of no instrument. The counts behind `unlisted` are of trades and quotes, not of records.
    """

    partition: str
    instrument: str | None
    time_ns: Ns  # begin of the minute
    records: int
    heartbeats: int
    ignored: int  # acks, status frames, channels we keep nothing of
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
