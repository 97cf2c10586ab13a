"""Limits, what the risk checks see of an order, and what they find; states and breaches.

    Wish ─ check ─▶ Finding ┐
    Wish ─ check ─▶ Finding ┼─▶ Decision (approved, resized, held, denied)
    Wish ─ check ─▶ Finding ┘
    limit of a position ─ supervision ─▶ Breach ─▶ StateChange, orders of strategy `risk`

A scope is a text: `portfolio`, `account:main`, `strategy:trend`, `venue:BINANCE`,
`instrument:BTC-USDT.BINANCE`, `group:majors`. The rules are in docs/risk.md.
"""

from decimal import Decimal
from typing import Literal

from msgspec import Struct

from tapeflow.schemas.instruments import Instrument
from tapeflow.schemas.orders import Terms
from tapeflow.schemas.sides import Side
from tapeflow.schemas.time import Ns

RISK = "risk"  # the strategy of corrective orders; no strategy of a job may have this name
PORTFOLIO_SCOPE = "portfolio"

TradingState = Literal["ACTIVE", "REDUCING", "HALTED", "KILLED"]  # from the mildest
Act = Literal["reduce", "close", "close_and_lock", "reducing", "halt", "kill"]
OnBreach = Literal["refuse", "resize"]


class Hours(Struct, frozen=True):
    """A span of every week, in minutes since Monday 00:00 UTC; it may wrap around its end."""

    begin: int
    end: int


class ScopeLimits(Struct, frozen=True):
    """The limits of a scope; None is not asked. A value equal to a limit passes."""

    scope: str
    # of the exposure, worst case by side with all open orders
    position_max: Decimal | None = None  # units of any one instrument
    gross_max: Decimal | None = None  # sum of |notional| in currencies at par
    net_max: Decimal | None = None  # |sum of signed notional|
    leverage_max: float | None = None  # gross by equity
    # of the spread over instruments
    concentration_max: float | None = None  # share of one instrument of the gross
    venue_share_max: float | None = None
    group_share_max: float | None = None
    effective_min: float | None = None  # least 1 / sum of squared shares
    effective_floor: Decimal | None = None  # asked once the gross is above this
    correlated_max: Decimal | None = None  # notional, weighted by correlation with the instrument
    # of one order
    size_max: Decimal | None = None
    notional_max: Decimal | None = None
    collar_bps: float | None = None  # farthest from the mark
    touch_bps: float | None = None  # farthest through the touch, of a price that would take
    approval_above: Decimal | None = None  # notional above which a second person approves
    approval_wait_ns: Ns | None = None  # after it the order expires
    # of the market
    quote_age_ns: Ns | None = None
    trade_age_ns: Ns | None = None
    refuse_crossed: bool = False
    clock_offset_ns: Ns | None = None  # of the venue's clock
    # of rates, in any window of `orders_window_ns` of log time
    orders_max: int | None = None
    cancels_max: int | None = None
    orders_window_ns: Ns = 1_000_000_000
    open_orders_max: int | None = None
    order_to_trade_max: float | None = None  # orders and changes for each fill of the UTC day
    rest_min_ns: Ns | None = None  # an order rests so long before it may be canceled
    repeat_ns: Ns | None = None  # no equal order of a strategy within it
    repeats_max: int | None = None  # executions since trading was last enabled; then HALTED
    # of what may be traded
    restricted: Literal["", "BUY", "SELL", "both"] = ""
    hours: tuple[Hours, ...] = ()  # () all
    flips: bool | None = None  # an order may carry a position through zero; None: of a wider scope
    on_breach: OnBreach | None = None  # None: of a wider scope
    # supervised at every price, not only at orders
    daily_loss: Decimal | None = None
    drawdown: float | None = None  # share of the greatest sampled equity; needs capital
    losses_max: int | None = None  # closed trades that lost, in a row
    margin_min: float | None = None  # least equity by gross
    rejects_max: int | None = None  # of venues, in any window of `orders_window_ns`
    feed_age_ns: Ns | None = None  # no trade and no quote for so long
    calm_ns: Ns | None = None  # a feed that is back is trusted after this
    act: Act | None = None  # None: that of the rule, see docs/risk.md


class Protection(Struct, frozen=True):
    """Exits of any position of these strategies in these instruments; None: none."""

    strategies: frozenset[str]
    instruments: frozenset[str]
    stop_bps: float | None = None  # of the entry price, into the loss
    stop_atr: float | None = None  # so many ATR of the job's bars, as known at the entry
    atr_window: int = 14
    take_bps: float | None = None
    trail_bps: float | None = None  # behind the best price since
    trail_after_bps: float = 0.0  # once the profit was so much
    break_even_bps: float | None = None  # once the profit was so much, the stop is at the entry
    time_ns: Ns | None = None  # longest holding time
    cooldown_ns: Ns | None = None  # locked so long; None: until a signal of the other side


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


class Wish(Struct, frozen=True, gc=False):
    """An order before the checks. Money is float at marks, terms are exact."""

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
    who: str  # it says so itself; of BAD_SIGNATURE and UNKNOWN_KEY anybody may have said it
    number: int  # greater than any that `who` gave before
    action: str  # halt | reduce | resume | kill | approve | set-limit | restrict | flatten | cancel
    scope: str  # what it concerns, such as account:main
    args: str  # JSON
    verdict: str  # DONE | REFUSED
    reason: str  # code of a refusal: BAD_SIGNATURE, REPLAYED, TOO_OLD, UNKNOWN_SCOPE, ..
    detail: str  # of a refusal: what was found
    time_ns: Ns  # log time of its record
    partition: str  # of its record
    offset: int  # of its record
