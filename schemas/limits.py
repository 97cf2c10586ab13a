"""Limits of a scope: of its exposure, its orders, and what may be traded.

A scope is a text: `portfolio`, `account:main`, `strategy:trend`, `venue:BINANCE`,
`instrument:BTC-USDT.BINANCE`, `group:majors`. The rules are in docs/risk.md.
"""

from decimal import Decimal
from typing import Literal

from msgspec import Struct

from tapeflow.schemas.time import Ns

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
    # of its spread over instruments
    concentration_max: float | None = None  # share of one instrument of the gross
    venue_share_max: float | None = None
    group_share_max: float | None = None
    effective_min: float | None = None  # least 1 / sum of squared shares
    spread_floor: Decimal | None = None  # shares are asked once the gross is above this
    # of one order
    size_max: Decimal | None = None
    notional_max: Decimal | None = None
    collar_bps: float | None = None  # farthest from the mark
    touch_bps: float | None = None  # farthest through the touch, of a price that would take
    # of the market
    trade_age_ns: Ns | None = None
    quote_age_ns: Ns | None = None
    # of rates
    orders_max: int | None = None  # in any window of `orders_window_ns`
    orders_window_ns: Ns = 1_000_000_000
    open_orders_max: int | None = None
    repeat_ns: Ns | None = None  # no equal order of a strategy within it
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
        return any(each is not None for each in (*shares, self.effective_min))
