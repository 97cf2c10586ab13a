"""Define what supervision remembers: of scopes, protected positions, locks and feeds.

It is plain, and a part of the desk's snapshot as it is; bands are made anew from it.
"""

from decimal import Decimal

from msgspec import Struct

from tapeflow.schemas.time import Ns

ZERO = Decimal(0)
DAY_NS = 86_400_000_000_000
Owner = tuple[str, str, str]  # account, strategy, instrument


class ScopeMemory(Struct):
    """What is remembered of a scope with limits on losses, rejections or requests."""

    day_profit: Decimal | None = ZERO  # at the begin of the UTC day; None: not known
    peak_profit: Decimal = ZERO  # the greatest that was sampled: at least that of the begin
    losses: int = 0  # closed trades that lost, in a row
    rejects_ns: list[Ns] = []  # log times
    day: int = -1  # the UTC day of the counts below, since 1970
    day_orders: int = 0  # orders, and changes of them
    day_fills: int = 0
    executions: int = 0  # since trading was enabled

    def begin_day(self, now_ns: Ns) -> None:
        """Let the counts of a day begin anew where it is another one."""
        day = now_ns // DAY_NS
        if day != self.day:
            self.day, self.day_orders, self.day_fills = day, 0, 0


class Guard(Struct):
    """A position that is protected, from its first fill on."""

    owner: Owner
    protection: int  # its number in the job
    is_long: bool
    begin_ns: Ns  # log time of the first fill
    entry: float  # average price
    best: float | None = None  # mark since its trail began; None: it has not
    is_even: bool = False  # it is closed at its entry price
    atr: float | None = None  # as first known

    @property
    def side(self) -> int:
        """1 of a long position, -1 of a short one."""
        return 1 if self.is_long else -1


class Lock(Struct, frozen=True):
    """A strategy may not open in an instrument."""

    until_ns: Ns | None  # log time; None: until it wants the other side
    side: int  # of the position that was closed


class Range(Struct):
    """The average true range of an instrument over bars, by Wilder: see protections.py."""

    close: float  # of the last bar
    bars: int = 0  # that have a true range
    value: float = 0.0  # while there are fewer than the window, their mean


class Feed(Struct):
    """A feed that is too old, since a question."""

    question_ns: Ns  # log time of the newest question
    set_state: bool  # whether its instrument is REDUCING by this
    was_fresh: bool = False  # at the newest question


class SupervisionMemory(Struct):
    """The memory of supervision, changed in place."""

    scopes: dict[str, ScopeMemory] = {}
    opened_at: dict[str, Decimal] = {}  # profit of a position at its first fill, by owner
    guards: dict[str, Guard] = {}  # by owner
    locks: dict[str, Lock] = {}  # by strategy and instrument
    ranges: dict[str, Range] = {}  # by instrument and window
    feeds: dict[str, Feed] = {}  # by instrument: those too old
    day_end_ns: Ns | None = None  # the next midnight; None: before the first record
    feeds_ns: Ns | None = None  # log time of the next question of feeds
    of_profit: list[str] = []  # scopes whose profit is followed: others begin anew
    accounts: list[str] = []  # of the job

    def of(self, scope: str) -> ScopeMemory:
        """Return what is remembered of a scope."""
        return self.scopes.setdefault(scope, ScopeMemory())


def key_of(*names: str) -> str:
    """Return the key of an owner, or of a part of one: names have no slash.

    >>> key_of("main", "trend", "BTC-USDT.BINANCE")
    'main/trend/BTC-USDT.BINANCE'
    """
    return "/".join(names)
