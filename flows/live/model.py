"""The snapshot of a flow: each part as values. Times are ns since 1970; None is not known."""

from decimal import Decimal
from typing import Literal

from msgspec import Struct

State = Literal["starting", "running", "stopped", "finished", "gone"]


class RunState(Struct, frozen=True, kw_only=True):
    """The last run of the results, and whether it goes on."""

    id: int  # number of the start, from 1
    command: str
    version: str
    state: State  # gone: killed or failed; starting: has the lock, does not answer
    started_ns: int
    committed_ns: int | None = None  # when facts were last written, by the wall clock
    commit_age_s: float | None = None  # of a run that goes on
    ended_ns: int | None = None  # when it stopped or finished; of a gone one: first seen gone
    follows: bool  # the log has no end, so log time is compared with the wall clock
    log_ns: int | None = None  # log time of the newest fact
    read_ratio: float | None = None  # of a log with an end: share read, from the metrics page
    restarts: int | None = None  # after a process failed, from the metrics page
    unclean_starts: int = 0  # earlier runs of these results that were killed or failed
    line: str = ""  # all of it in one sentence


class Partition(Struct, frozen=True, kw_only=True):
    """How far one partition of the log has been read."""

    name: str
    records: int | None  # from facts: those of closed minutes
    rate: float | None = None  # records/s of wall time
    log_ns: int | None = None  # from facts: of the last bar, else the start of the last minute
    lag_s: float | None = None  # wall time less log time; of a log that is followed
    behind_s: float | None = None  # log time of the furthest partition less that of this one
    holds_s: float | None = None  # how long it has held the others; from the metrics page
    source: Literal["metrics", "facts"]  # of all its numbers


class Latency(Struct, frozen=True, kw_only=True):
    """From decision to fill in log time, of market orders in the last hour of log time."""

    fills: int = 0
    p50_ms: float | None = None
    p99_ms: float | None = None


class AccountValue(Struct, frozen=True, kw_only=True):
    """Profit of an account at its last samples, summed over its strategies."""

    account: str
    equity: Decimal  # begins at 0
    today: Decimal  # equity less that at the last midnight (UTC), whose sample is of the day before
    realized: Decimal
    unrealized: Decimal
    fees: Decimal
    gross: Decimal  # of each strategy for itself, added up
    time_ns: int  # of the last sample
    unvalued: str = ""  # amounts that are in no sum


class OpenPosition(Struct, frozen=True, kw_only=True):
    """What a strategy holds in an instrument."""

    account: str
    strategy: str
    instrument: str
    quantity: Decimal  # signed
    entry_price: Decimal
    price: Decimal | None  # at which `unrealized` is
    price_ns: int | None
    price_of: Literal["bar", "mark", ""]  # close of the last bar; mark of the last fill
    unrealized: Decimal | None
    realized: Decimal
    fees: Decimal
    currency: str  # of the amounts; "": quote


class OpenOrder(Struct, frozen=True, kw_only=True):
    """An order that lives."""

    order_id: str
    account: str
    strategy: str
    instrument: str
    side: str
    type: str
    role: str
    size: Decimal
    filled: Decimal
    leaves: Decimal
    limit: Decimal | None
    trigger: Decimal | None
    phase: str | None  # HELD, SENT, OPEN; None: not known without order events
    time_ns: int  # of the decision


class LimitUse(Struct, frozen=True, kw_only=True):
    """A limit of a scope, as the last risk check of it found it."""

    code: str
    scope: str
    instrument: str  # of the order that was checked
    observed: Decimal
    limit: Decimal
    used: float | None  # observed / limit; None of a limit of 0
    passed: bool
    time_ns: int


class TradingState(Struct, frozen=True, kw_only=True):
    """The trading state of a scope since its last change; a scope without a row is ACTIVE."""

    scope: str
    state: str
    event: str
    cause: str
    rule: str
    by: str
    detail: str
    time_ns: int


class LastFill(Struct, frozen=True, kw_only=True):
    """A fill, one of the newest."""

    id: str
    account: str
    strategy: str
    instrument: str
    side: str
    price: Decimal
    size: Decimal
    fee: Decimal
    fee_currency: str
    time_ns: int


class LastRefusal(Struct, frozen=True, kw_only=True):
    """An intent that a risk check denied, one of the newest."""

    order_id: str
    account: str
    strategy: str
    instrument: str
    side: str
    size: Decimal
    reason: str
    detail: str
    time_ns: int


class Counts(Struct, frozen=True, kw_only=True):
    """Facts that are committed."""

    bars: int = 0
    signals: int = 0
    orders: int = 0
    fills: int = 0
    refusals: int = 0
    dead_letters: int = 0
    dead_letters_minute: int = 0  # of the last minute of log time
    late_trades: int = 0
    order_alerts: int = 0  # order events with an alert, in the last hour of log time


class Alert(Struct, frozen=True, kw_only=True):
    """What is wrong now."""

    code: str
    severity: Literal["warning", "critical"]
    text: str


class Snapshot(Struct, frozen=True, kw_only=True):
    """All of it at one moment."""

    taken_ns: int  # wall time
    results: str
    source: Literal["run", "file", "memory"]  # memory: of a run that is gone, as last read of it
    metrics: str = ""  # address of the metrics page; "": the job has none
    run: RunState
    counts: Counts = Counts()
    latency: Latency = Latency()
    alerts: list[Alert] = []
    partitions: list[Partition] = []
    accounts: list[AccountValue] = []
    positions: list[OpenPosition] = []
    open_orders: list[OpenOrder] = []
    limits: list[LimitUse] = []
    states: list[TradingState] = []
    fills: list[LastFill] = []  # the newest first
    refusals: list[LastRefusal] = []  # the newest first
    notes: list[str] = []  # what is cut, estimated, or not known
    ages_s: dict[str, float] = {}  # by part: how old it is where it was not read anew
