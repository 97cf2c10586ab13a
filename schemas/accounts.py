"""An account: its limits, decisions, positions and equity. Money is decimal."""

from decimal import Decimal

from msgspec import Struct

from tapeflow.schemas.sides import Side
from tapeflow.schemas.time import Ns


class Limits(Struct, frozen=True):
    """The limits of an account; a value equal to a limit passes."""

    position_max: Decimal  # units of any one instrument, long or short
    gross_max: Decimal  # notional of all instruments together
    orders_max: int  # approved orders in any window of orders_window_ns
    orders_window_ns: int


class Decision(Struct, frozen=True, gc=False):
    """The result of the risk checks of one intent: approved or denied."""

    seq: int  # running number over all facts of the account
    order_id: str  # id of the order; a denied intent has one too, but no order
    signal_id: str
    account: str
    strategy: str
    instrument: str
    time_ns: Ns
    side: Side
    size: Decimal
    ref_price: Decimal
    close_ns: Ns  # end of the bar that caused it
    decision: str  # APPROVED | DENIED
    reason: str  # code of the check that denied, or ""
    detail: str  # limit and observed value of that check


class Position(Struct, frozen=True, gc=False):
    """A strategy's position in one instrument of an account, after a fill."""

    seq: int
    account: str
    strategy: str
    instrument: str
    time_ns: Ns
    quantity: Decimal  # signed
    cost: Decimal  # notional paid for the open quantity; signed like the quantity
    entry_price: Decimal  # cost / (quantity * multiplier), for display; 0 when flat
    realized: Decimal  # profit of what was closed, before fees
    fees: Decimal
    fill_id: str


class Equity(Struct, frozen=True, gc=False):
    """Profit of a strategy in an account at a moment of log time; equity starts at 0."""

    seq: int
    account: str
    strategy: str
    time_ns: Ns
    realized: Decimal
    unrealized: Decimal
    fees: Decimal
    equity: Decimal  # realized + unrealized - fees
    gross: Decimal  # sum of |quantity| * mark
    stale_mark_ns: Ns | None = None  # log time of the oldest mark; NULL: no older than `stale_mark`
