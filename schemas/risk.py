"""What the risk checks see of an order, and what they find.

Proposal ─ check ─▶ Finding ┐
Proposal ─ check ─▶ Finding ┼─▶ Decision: approved, cut, or denied
Proposal ─ check ─▶ Finding ┘
"""

from decimal import Decimal

from msgspec import Struct

from tapeflow.schemas.instruments import Instrument
from tapeflow.schemas.limits import ScopeLimits
from tapeflow.schemas.orders import Terms
from tapeflow.schemas.sides import Side
from tapeflow.schemas.time import Ns

PORTFOLIO = "portfolio"  # the scope of all accounts


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
    equity: float | None = None  # at marks
    orders: int = 0  # approved in the window, that did not only reduce
    open_orders: int = 0


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
    mark: float | None = None
    notional: float | None = None  # of the order, in currencies at par
    bid: float | None = None
    ask: float | None = None
    trade_ns: Ns | None = None  # log time of the last trade
    quote_ns: Ns | None = None
    last_equal_ns: Ns | None = None  # log time of an order equal to this

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
