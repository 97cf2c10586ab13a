"""Orders as the risk checks see them, and their findings.

Proposal ─ check ─▶ Finding ┐
Proposal ─ check ─▶ Finding ┼─▶ Decision: approved, cut, or denied
Proposal ─ check ─▶ Finding ┘
"""

import math
from decimal import Decimal

from msgspec import Struct

from tapeflow.schemas.instruments import Instrument
from tapeflow.schemas.limits import ScopeLimits
from tapeflow.schemas.orders import Terms
from tapeflow.schemas.sides import Side
from tapeflow.schemas.states import TradingState
from tapeflow.schemas.time import Ns

PORTFOLIO = "portfolio"  # the scope of all accounts
RISK = "risk"  # the strategy of corrective orders; no strategy of a job may have this name


class ScopeView(Struct, frozen=True, gc=False):
    """A scope with limits, as an order finds it. NaN and None: not known, or not asked."""

    limits: ScopeLimits
    units: Decimal  # held in the instrument
    buys: Decimal  # open, without the order
    sells: Decimal
    gross_after: float = 0.0  # worst case of all instruments at marks, with the order
    net_after: float = 0.0
    share_after: float = 0.0  # of the instrument in the gross
    venue_share_after: float = 0.0
    group_share_after: float = 0.0  # of its largest group
    effective_after: float = 0.0  # 1 / sum of squared shares
    correlated_after: float = math.nan  # notional, weighted by correlation with the instrument
    equity: float | None = None  # at marks
    peak: float | None = None  # greatest sampled equity
    day_equity: float | None = None  # at the begin of the UTC day
    losses: int | None = None  # closed trades that lost, in a row
    orders: int = 0  # approved in the window, that did not only reduce
    open_orders: int = 0
    cancels: int = 0  # in the window
    day_orders: int | None = None  # orders and changes of the UTC day
    day_fills: int | None = None
    repeats: int | None = None  # executions since trading was enabled


class Proposal(Struct, frozen=True, gc=False):
    """An order as the risk checks see it. Money is float at marks, terms are exact."""

    instrument: Instrument
    account: str
    strategy: str
    side: Side
    size: Decimal
    terms: Terms
    time_ns: Ns  # log time
    position: Decimal  # of the strategy
    buys: Decimal  # of the strategy, open, that may enlarge it
    sells: Decimal
    scopes: tuple[ScopeView, ...]  # from the widest
    flips: bool = False  # it may carry the position through zero
    state: TradingState = "ACTIVE"  # most severe of all its scopes
    in_state: str = ""  # the scope that has it
    closing: str = ""  # a scope of it that is being closed; "": none is
    locked: str = ""  # until when its strategy may not open in the instrument; "": it may
    corrective: bool = False  # it closes for the sake of risk
    mark: float | None = None
    notional: float | None = None  # of the order, in currencies at par
    bid: float | None = None
    ask: float | None = None
    trade_ns: Ns | None = None  # log time of the last trade
    quote_ns: Ns | None = None
    clock_offset_ns: Ns | None = None  # log time behind the venue's clock
    last_equal_ns: Ns | None = None  # log time of an order equal to this
    own_bid: Decimal | None = None  # best resting orders of the same owner
    own_ask: Decimal | None = None
    placed_ns: Ns | None = None  # of the order that a cancel is of
    approved_by: str = ""  # who has approved it, other than who asked

    @property
    def reduces(self) -> Decimal:
        """The part that reduces the strategy's position, if all its open orders fill first."""
        if self.side > 0:
            return max(min(self.size, -self.position - self.buys), Decimal(0))
        return max(min(self.size, self.position - self.sells), Decimal(0))

    @property
    def only_reduces(self) -> bool:
        """Whether no part of it can enlarge the position or turn it."""
        if self.terms.reduce_only:
            return True
        if self.side > 0:  # most orders open, and are known by the first comparison
            return self.position < 0 and self.size <= -self.position - self.buys
        return self.position > 0 and self.size <= self.position - self.sells


class Finding(Struct, frozen=True, gc=False, array_like=True):
    """Result of one check."""

    code: str
    passed: bool
    observed: Decimal | float | int | str | None
    limit: Decimal | float | int | str | None
    scope: str = ""
