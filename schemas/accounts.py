"""An account: its limits, decisions, positions and equity. Money is decimal."""

from decimal import Decimal

from msgspec import Struct

from tapeflow.schemas.market import Side
from tapeflow.schemas.time import Ns


class Limits(Struct, frozen=True):
    """The limits of an account; exactly at one passes."""

    position_max: Decimal  # units of any one instrument, long or short
    gross_max: Decimal  # notional of all instruments together
    orders_max: int  # approved orders in any window of orders_window_ns
    orders_window_ns: int


class Decision(Struct, frozen=True, gc=False):
    """The answer of risk to an intent, approvals too."""

    seq: int  # running number over all facts of the account
    order_id: str  # the order it became, or would have become
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
    """What a strategy holds of an instrument in an account, after a fill."""

    seq: int
    account: str
    strategy: str
    instrument: str
    time_ns: Ns
    quantity: Decimal  # signed
    cost: Decimal  # what the open quantity cost, signed like it: entry = cost / quantity
    entry_price: Decimal  # for display, 0 when flat
    realized: Decimal  # of all that was closed, before fees
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
