"""What the risk checks see of an order, and what they find; states and breaches.

    Proposal ─ check ─▶ Finding ┐
    Proposal ─ check ─▶ Finding ┼─▶ Decision: approved, cut, or denied
    Proposal ─ check ─▶ Finding ┘
    limit of a position ─ supervision ─▶ Breach ─▶ StateChange, orders of strategy `risk`

A scope is a text: `portfolio`, `account:main`, `strategy:trend`, `venue:BINANCE`,
`instrument:BTC-USDT.BINANCE`, `group:majors`. The rules are in docs/risk.md.
"""

from decimal import Decimal
from typing import Literal

from msgspec import Struct

from tapeflow.schemas.instruments import Instrument
from tapeflow.schemas.limits import Act, ScopeLimits
from tapeflow.schemas.orders import Terms
from tapeflow.schemas.sides import Side
from tapeflow.schemas.time import Ns

RISK = "risk"  # the strategy of corrective orders; no strategy of a job may have this name
PORTFOLIO_SCOPE = "portfolio"

TradingState = Literal["ACTIVE", "REDUCING", "HALTED", "KILLED"]  # from the mildest


class ScopeView(Struct, frozen=True, gc=False):
    """A scope with limits, as an order finds it. NaN and None: cannot be known."""

    limits: ScopeLimits
    units: Decimal  # held in the instrument
    buys: Decimal  # open, beside the order
    sells: Decimal
    gross_after: float = 0.0  # worst case of all instruments at marks, with the order
    net_after: float = 0.0
    share_after: float = 0.0  # of the instrument of the gross
    venue_share_after: float = 0.0
    group_share_after: float = 0.0  # greatest of its groups
    effective_after: float = 0.0
    correlated_after: float = 0.0
    equity: float | None = None  # at marks
    peak: float | None = None  # greatest sampled equity
    day_equity: float | None = None  # at the begin of the UTC day
    losses: int = 0  # closed trades that lost, in a row
    orders: int = 0  # approved in the window
    cancels: int = 0
    open_orders: int = 0
    day_orders: int = 0  # orders and changes of the UTC day
    day_fills: int = 0
    repeats: int = 0  # executions since trading was enabled
    rejects: int = 0


class Proposal(Struct, frozen=True, gc=False):
    """An order as the risk checks see it. Money is float at marks, terms are exact."""

    instrument: Instrument
    account: str
    strategy: str
    side: Side
    size: Decimal
    terms: Terms
    time_ns: Ns  # log time
    ref_price: Decimal
    position: Decimal  # of the strategy
    buys: Decimal  # of the strategy, open, that may enlarge
    sells: Decimal
    scopes: tuple[ScopeView, ...]  # from the widest
    state: TradingState | None = "ACTIVE"  # most severe of all its scopes
    locked: str = ""  # why its strategy may not open here, "" where it may
    mark: float | None = None
    mark_ns: Ns | None = None
    bid: float | None = None
    ask: float | None = None
    quote_ns: Ns | None = None
    trade_ns: Ns | None = None
    clock_offset_ns: Ns | None = None
    rate: Decimal | None = None  # of its notional's currency; None: not known
    own_bid: Decimal | None = None  # best resting orders of the same owner
    own_ask: Decimal | None = None
    last_equal_ns: Ns | None = None  # of an order equal to this
    approved_by: str = ""  # who has approved it, beside the one who asked

    @property
    def reduces(self) -> Decimal:
        """How much of it reduces the strategy's position, if all its open orders fill first."""
        if self.side > 0:
            return max(min(self.size, -self.position - self.buys), Decimal(0))
        return max(min(self.size, self.position - self.sells), Decimal(0))

    @property
    def only_reduces(self) -> bool:
        """Whether no part of it can enlarge the position or turn it."""
        return self.terms.reduce_only or self.reduces == self.size


class Finding(Struct, frozen=True, gc=False, array_like=True):
    """What one check found."""

    code: str
    passed: bool
    observed: Decimal | float | int | str | None
    limit: Decimal | float | int | str | None
    scope: str = ""


class Breach(Struct, frozen=True, gc=False):
    """A limit that supervision has found exceeded, at a place of the log."""

    scope: str
    rule: str  # DAILY_LOSS, DRAWDOWN, STOP, ..
    act: Act
    observed: str
    limit: str
    account: str = ""  # of a position: with strategy and instrument
    strategy: str = ""
    instrument: str = ""


class StateChange(Struct, frozen=True, gc=False):
    """A scope's trading state changed, or a strategy was locked out of an instrument."""

    seq: int  # running number over all changes of the portfolio
    scope: str
    time_ns: Ns
    partition: str  # of the record at which it changed, "" at a time
    offset: int
    before: str  # ACTIVE | REDUCING | HALTED | KILLED; of a lock: OPEN | LOCKED
    state: str  # after it; FLAT: a kill has come to its end
    cause: str  # rule | command | calm | flat
    rule: str  # code of the rule, or id of the command
    by: str  # who gave the command, "" of a rule
    observed: str
    limit: str
    detail: str


class ControlCommand(Struct, frozen=True, gc=False):
    """A signed command of the log, and what became of it."""

    id: str  # sha256 of the signed text, its first 24 hex digits
    who: str
    number: int  # greater than any that `who` gave before
    action: str  # halt | reduce | resume | kill | approve | set-limit | restrict | flatten | cancel
    scope: str
    args: str  # JSON
    verdict: str  # DONE | REFUSED
    reason: str  # code of a refusal: BAD_SIGNATURE, REPLAYED, TOO_OLD, UNKNOWN_SCOPE, ..
    detail: str
    time_ns: Ns
    partition: str
    offset: int
