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
    checks: str = ""  # JSON of all that was checked: [code, passed, observed, limit, scope] each
    wanted_size: Decimal | None = None  # before the checks cut it; NULL: they did not
    approved_by: str = ""  # who has let it go, of one that needs a second person
    bid: float | None = None  # best bid when it was decided, with the deciding record; NULL: none
    ask: float | None = None  # best ask when it was decided; NULL: none


class Position(Struct, frozen=True, gc=False):
    """A strategy's position in one instrument of an account, after a fill; in `currency`."""

    seq: int
    account: str
    strategy: str
    instrument: str
    time_ns: Ns
    quantity: Decimal  # signed
    cost: Decimal  # paid for the open quantity; signed like it, of inverse contracts unlike it
    entry_price: Decimal  # average price of the open quantity, for display; 0 when flat
    realized: Decimal  # profit of what was closed, before fees
    fees: Decimal
    fill_id: str
    currency: str = ""  # in which the contract pays; "": the quote currency
    funding: Decimal = Decimal(0)  # received, less what was paid
    net: Decimal | None = None  # quantity of the account, over all strategies
    unrealized: Decimal | None = None  # at `mark`; NULL where there is none, or nothing is open
    mark: Decimal | None = None  # at which the account values it
    mark_ns: Ns | None = None  # log time of the mark
    unvalued: str = ""  # fees in other currencies of which no price is known: they are in no sum


class Equity(Struct, frozen=True, gc=False):
    """Profit of a strategy in an account at a moment of log time; equity starts at 0.

    It is in the currencies at par. What is paid in others is converted at the marks of that time.
    """

    seq: int
    account: str
    strategy: str
    time_ns: Ns
    realized: Decimal
    unrealized: Decimal
    fees: Decimal
    equity: Decimal  # realized + unrealized - fees + funding
    gross: Decimal  # sum of |quantity| * mark
    stale_mark_ns: Ns | None = None  # log time of the oldest mark; NULL: no older than `stale_mark`
    funding: Decimal = Decimal(0)  # received, less what was paid
    unvalued: str = ""  # amounts in currencies of which no price is known: they are in no sum


class Funding(Struct, frozen=True, gc=False):
    """Funding that a strategy's position in a perpetual paid or received."""

    seq: int  # running number over all funding of the account
    account: str
    strategy: str
    instrument: str
    time_ns: Ns  # log time of the record that told of it
    due_ns: Ns  # the venue's time of the payment
    next_ns: Ns  # the venue's time of the next one; payments between were not told of
    rate: Decimal | None  # above 0: longs pay; NULL: the venue said none, and nothing is booked
    mark: Decimal | None  # mark price; NULL: none was known, and nothing is booked
    quantity: Decimal  # signed
    amount: Decimal | None  # received; below 0: paid; NULL: not known
    currency: str  # of the amount
