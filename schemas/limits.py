"""Limits of a scope: of its exposure, its orders, and what may be traded.

A scope is a text: `portfolio`, `account:main`, `strategy:trend`, `venue:BINANCE`,
`instrument:BTC-USDT.BINANCE`, `group:majors`. The rules are in docs/risk.md.
"""

from decimal import Decimal
from typing import Literal

from msgspec import Struct

from tapeflow.schemas.time import Ns

OnBreach = Literal["refuse", "resize"]
OnExceed = Literal["keep", "reduce"]
OnLoss = Literal["reducing", "halt", "kill"]


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
    # of its spread over instruments
    concentration_max: float | None = None  # share of one instrument of the gross
    venue_share_max: float | None = None
    group_share_max: float | None = None
    effective_min: float | None = None  # least 1 / sum of squared shares
    spread_floor: Decimal | None = None  # shares are asked once the gross is above this
    correlated_max: Decimal | None = None  # notional, weighted by correlation with the instrument
    # of one order
    size_max: Decimal | None = None
    notional_max: Decimal | None = None
    collar_bps: float | None = None  # farthest from the mark
    touch_bps: float | None = None  # farthest through the touch, of a price that would take
    approval_above: Decimal | None = None  # notional above which a second person approves
    approval_wait_ns: Ns = 600_000_000_000  # so long an order waits for it
    refuse_self_trade: bool = False
    # of the market
    trade_age_ns: Ns | None = None
    quote_age_ns: Ns | None = None
    refuse_crossed: bool = False
    clock_offset_ns: Ns | None = None  # of log time from the venue's, on either side
    # of rates
    orders_max: int | None = None  # in any window of `orders_window_ns`
    orders_window_ns: Ns = 1_000_000_000
    open_orders_max: int | None = None
    repeat_ns: Ns | None = None  # no equal order of a strategy within it
    cancels_max: int | None = None  # in any window of `orders_window_ns`
    rest_min_ns: Ns | None = None  # an order rests so long before it may be canceled
    order_to_trade_max: float | None = None  # orders and changes for each fill of the UTC day
    repeats_max: int | None = None  # executions since trading was last enabled
    # of losses; held at every price
    daily_loss: Decimal | None = None
    drawdown: float | None = None  # share of the greatest sampled equity
    losses_max: int | None = None  # closed trades that lost, in a row
    on_loss: OnLoss = "halt"
    # of the exposure at every price
    on_exceed: OnExceed = "keep"
    margin_min: float | None = None  # least equity by gross; below it the scope is reduced
    # of venues and their feeds
    rejects_max: int | None = None  # orders that venues rejected, in any window of `orders_window`
    feed_age_ns: Ns | None = None  # an instrument is REDUCING after so long without trade and quote
    calm_ns: Ns = 10_000_000_000  # and until its feed was fresh so long
    # of what may be traded
    restricted: Literal["", "BUY", "SELL", "both"] = ""
    hours: tuple[Hours, ...] = ()  # (): all
    flips: bool | None = None  # an order may carry a position through zero; None: of a wider scope
    on_breach: OnBreach | None = None  # None: of a wider scope

    @property
    def asks_notionals(self) -> bool:
        """Whether any of them is of the notionals of all instruments."""
        sums = (self.gross_max, self.net_max, self.leverage_max)
        return any(each is not None for each in sums) or self.asks_shares

    @property
    def asks_shares(self) -> bool:
        """Whether any of them is of the spread over instruments."""
        shares = (self.concentration_max, self.venue_share_max, self.group_share_max)
        others = (self.effective_min, self.correlated_max)
        return any(each is not None for each in (*shares, *others))

    @property
    def asks_equity(self) -> bool:
        """Whether any of them is of equity."""
        limits = (self.leverage_max, self.margin_min, self.daily_loss, self.drawdown)
        return any(each is not None for each in limits)

    @property
    def asks_profit(self) -> bool:
        """Whether any of them is of what was made or lost, at every price."""
        return self.daily_loss is not None or self.drawdown is not None

    @property
    def holds_exposure(self) -> bool:
        """Whether the exposure is held within limits at every price."""
        of_exposure = (self.position_max, self.gross_max, self.net_max, self.leverage_max)
        is_held = self.on_exceed == "reduce" and any(each is not None for each in of_exposure)
        return is_held or self.margin_min is not None

    @property
    def is_supervised(self) -> bool:
        """Whether any of them is held between orders too."""
        others = (self.losses_max, self.rejects_max, self.repeats_max, self.feed_age_ns)
        is_other = any(each is not None for each in others)
        return is_other or self.asks_profit or self.holds_exposure

    @property
    def asks_cancels(self) -> bool:
        """Whether any of them is of cancels."""
        return self.cancels_max is not None or self.rest_min_ns is not None
