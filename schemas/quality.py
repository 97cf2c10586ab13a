"""Data quality: counts of records by outcome, and the trades and frames that were not used."""

from msgspec import Struct

from tapeflow.schemas.sides import Side
from tapeflow.schemas.time import Ns


class LateTrade(Struct, frozen=True, gc=False):
    """A trade whose bar had closed: it is in no bar and fills nothing."""

    instrument: str
    partition: str
    offset: int
    log_ns: Ns
    event_ns: Ns
    trade_id: int
    aggressor: Side  # the side that took liquidity: `BUY` or `SELL`
    price: float
    size: float


class DeadLetter(Struct, frozen=True):
    """A frame that could not be read, and why."""

    partition: str
    offset: int
    log_ns: Ns
    reason: str  # why it could not be read
    frame: bytes  # as it came; the first 64 KiB of it
    length: int  # bytes of the whole frame


class Gap(Struct, frozen=True, gc=False):
    """Trades that the venue numbered and the log lacks; or a time without any record.

    The missing trades happened between the event times of the trades on both sides. A gap becomes
    a fact a minute of event time after its bars have closed: until then a trade that comes late
    takes it away. Without an instrument it is a pause of the whole partition, longer than `[bars]
    pause`. Where `missing` is 0 the venue began to number anew, from `first_id` to `last_id`, and
    nobody can say what is missing.
    """

    instrument: str | None
    partition: str
    offset: int  # of the record by which it was found, the first one after it
    log_ns: Ns
    first_id: int | None  # the smallest id that is missing
    last_id: int | None  # the largest id that is missing
    missing: int  # trades; fewer than the ids from first to last where many gaps became one
    before_ns: Ns  # event time of the trade before, the smaller of the two
    after_ns: Ns  # event time of the trade after, the larger of the two
    open_ns: Ns  # start of the first bar that it touches, which may have closed before it was found


class QualityCounts(Struct, frozen=True, gc=False):
    """Counts of one minute of log time: records by outcome, then ticks.

    A record counts in the row of its first listed instrument; without one, in the row without an
    instrument. The counts from `quotes` to `accepted` are of ticks, not of records.
    """

    partition: str
    instrument: str | None
    time_ns: Ns  # start of the minute
    records: int  # all records
    heartbeats: int  # records with an empty frame
    recognised: int  # acks, status frames, channels that are not stored
    malformed: int  # records in dead_letters
    unlisted: int  # records about instruments that are not in the job
    quotes: int  # quotes of listed instruments
    duplicate: int  # trades seen before
    late: int  # trades whose bar had closed
    history: int  # old trades, sent on subscribing
    off_market: int  # trades that are not of the market (insurance fund, ADL) or out of range
    accepted: int  # trades that are used
    ahead: int = 0  # trades whose event time is further ahead of log time than `[bars] ahead`
    missing: int = 0  # trades in `gaps`: the venue numbered them, and they are not in the log
    stepped_back: int = 0  # records written before the log time reached, at which they are held
    stepped_ahead: int = 0  # records far ahead that the next one does not confirm: held as well


class OpenCounts(QualityCounts, frozen=True, gc=False):
    """Counts of the minute that was open when a run stopped: the next start completes it.

    They are in the results of a stopped run only, so that its counts are those of all its records.
    """

    mark_prices: int = 0  # mark prices of listed instruments


class UnlistedSymbol(Struct, frozen=True, gc=False):
    """Records of one minute with a tick of a symbol that the job does not list."""

    partition: str
    symbol: str  # as the venue writes it, the first 64 characters
    time_ns: Ns  # start of the minute
    records: int  # records that hold a tick of it
    first_log_ns: Ns  # log time of the first
    last_log_ns: Ns  # log time of the last
    first_offset: int  # offset of the first


class Metric(Struct, frozen=True, gc=False):
    """One measurement of a minute of log time, computed from the log: the same in every run.

    `delay_ms_mean` and `delay_ms_max` are in ms, from event time to log time. Any other is a count:
    `recognised.depthUpdate` of frames of that channel, of which nothing is stored;
    `unread.aggTrade` of those among them with a trade of a listed instrument, which is not read.
    """

    partition: str
    name: str  # trades, bars, signals, delay_ms_mean, recognised.CHANNEL, unread.CHANNEL, ...
    time_ns: Ns  # start of the minute
    value: float  # delays in ms, else a count
