"""Limits: the greatest exposure, rate and loss of a scope, and exits of positions.

A scope is a text: `portfolio`, `account:main`, `strategy:trend`, `venue:BINANCE`,
`instrument:BTC-USDT.BINANCE`, `group:majors`. The rules are in docs/risk.md.
"""

from decimal import Decimal
from typing import Literal

from msgspec import Struct

from tapeflow.schemas.time import Ns

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
