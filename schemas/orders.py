"""Orders, their terms and links, what venues report of them, and their fills. Money is decimal.

    Intent ─ risk ─▶ Order (HELD) ─ Command ─▶ venue ─ Report ─▶ Working ─▶ OrderEvent, Fill

An `Order` is the approval and never changes; `Working` is what it has become so far.
"""

from decimal import Decimal
from operator import attrgetter
from typing import Any, Literal, TypedDict

from msgspec import Struct
from msgspec.structs import asdict

from tapeflow.schemas.sides import Side
from tapeflow.schemas.time import LogPosition, Ns

OrderType = Literal[
    "market", "limit", "stop", "stop_limit", "take_profit", "take_profit_limit", "trailing"
]
TimeInForce = Literal["GTC", "IOC", "FOK", "GTD", "DAY"]
TriggerSource = Literal["trade", "quote", "mark"]
TrailUnit = Literal["price", "bps", "ticks"]
LinkRule = Literal["", "OCO", "OUO"]
Role = Literal["entry", "exit", "child"]
NO_TRADE = -1  # `trade_id` of a fill that no public trade made: it took from a quote


class Terms(Struct, frozen=True, gc=False):
    """How an order is to be executed; the fields are also columns of `Order`.

    >>> Terms(type="stop_limit", trigger=Decimal(99), limit=Decimal(98)).takes_when_triggered
    False
    """

    type: OrderType = "market"
    limit: Decimal | None = None  # of limit, stop_limit and take_profit_limit
    trigger: Decimal | None = None  # of stop, stop_limit, take_profit and take_profit_limit
    trigger_on: TriggerSource = "trade"
    trail: Decimal | None = None  # distance of a trailing stop from the best price
    trail_unit: TrailUnit = "price"
    activate: Decimal | None = None  # a trailing stop begins at this price; None: at once
    tif: TimeInForce = "GTC"
    expire_ns: Ns | None = None  # of GTD: log time
    post_only: bool = False  # refused where it would take
    reduce_only: bool = False  # each fill is clipped to what is left of the position
    display: Decimal | None = None  # of an iceberg: size shown at once

    @property
    def takes_when_triggered(self) -> bool:
        """Whether it becomes a market order when it is triggered."""
        return self.type in ("stop", "take_profit", "trailing")

    @property
    def is_conditional(self) -> bool:
        """Whether it waits for a trigger."""
        return self.type not in ("market", "limit")


MARKET = Terms()
READ_TERMS = attrgetter(*Terms.__struct_fields__)


class Order(Struct, frozen=True, gc=False):
    """An order: made only of an intent that passed the risk checks; venues accept nothing else."""

    seq: int
    id: str  # derived from account, strategy, instrument, cause: the same in every run
    signal_id: str
    account: str
    strategy: str
    instrument: str
    side: Side
    type: str  # market, limit, stop, stop_limit, take_profit, take_profit_limit or trailing
    size: Decimal
    ref_price: Decimal
    time_ns: Ns  # log time of the decision
    active_ns: Ns  # log time at which it reaches the venue
    partition: str  # of the deciding record
    offset: int  # of the deciding record
    limit: Decimal | None = None
    trigger: Decimal | None = None
    trigger_on: str = "trade"  # trade, quote or mark: the price that triggers it
    trail: Decimal | None = None  # distance of a trailing stop from the best price
    trail_unit: str = "price"  # price, bps or ticks
    activate: Decimal | None = None  # price at which a trailing stop begins; NULL: at once
    tif: str = "GTC"  # time in force: GTC, IOC, FOK, GTD or DAY
    expire_ns: Ns | None = None  # of GTD
    post_only: bool = False
    reduce_only: bool = False
    display: Decimal | None = None  # of an iceberg: size shown at once
    role: str = "entry"  # entry, exit or child
    parent: str = ""  # order whose fills release it, or of which it is a slice
    group: str = ""  # id that linked orders share
    rule: str = ""  # OCO: one fill cancels the others; OUO: it shrinks them

    @property
    def terms(self) -> Terms:
        """How it is to be executed, as approved."""
        return Terms(*READ_TERMS(self))

    @property
    def position(self) -> LogPosition:
        """The position of the deciding record in the log."""
        return self.time_ns, self.partition, self.offset


def terms_fields(terms: Terms) -> dict[str, Any]:
    """Return the terms as fields of an order."""
    return asdict(terms)


ReportKind = Literal[
    "SENT", "ACCEPTED", "TRIGGERED", "FILL", "CANCELED", "EXPIRED", "REJECTED", "AMENDED",
    "CANCEL_ASKED", "AMEND_ASKED", "CANCEL_REFUSED", "AMEND_REFUSED", "UNKNOWN", "LOST",
    "NOT_SENT", "DENIED",
]  # fmt: skip


class Report(Struct, frozen=True, gc=False):
    """What happened to an order: at the paper venue, at a real one, or at the desk itself."""

    order_id: str
    kind: ReportKind
    position: LogPosition  # at which the desk hears of it
    event_ns: Ns  # at the venue
    execution_id: str = ""  # of a FILL: unique at the venue
    price: Decimal | None = None  # of a FILL
    size: Decimal | None = None  # of a FILL; of AMEND_ASKED, AMENDED: the new one or None
    limit: Decimal | None = None  # of AMEND_ASKED, AMENDED: the new one or None
    trigger: Decimal | None = None  # of AMEND_ASKED, AMENDED: the new one or None
    liquidity: str = ""  # of a FILL: TAKER | MAKER
    trade_id: int = NO_TRADE  # of a FILL: the public trade that made it
    fee: Decimal | None = None  # as the venue says; None: by the fee table of the job
    fee_currency: str = ""
    cumulative: Decimal | None = None  # filled so far, as the venue says
    venue_id: str = ""  # the venue's own id of the order
    reason: str = ""  # code of a refusal or an end
    source: str = "paper"  # desk | paper | venue
    beyond: Decimal | None = None  # of a FILL: the part that neither trade nor quote showed
    record: LogPosition | None = None  # that brought it; None: a timer did
    bid: float | None = None  # of a FILL: best bid that the venue showed; None: none
    ask: float | None = None  # of a FILL: best ask that the venue showed; None: none


class BestQuote(TypedDict):
    """The best quote that was shown, as fields of a decision or a fill; None: an empty side."""

    bid: float | None
    ask: float | None


class Fill(Struct, frozen=True, gc=False):
    """An order, or a part of one, executed at the venue."""

    seq: int
    id: str
    order_id: str
    account: str
    strategy: str
    instrument: str
    side: Side
    price: Decimal
    size: Decimal
    fee: Decimal  # positive: paid
    fee_currency: str  # currency of the fee
    liquidity: str  # TAKER | MAKER
    log_ns: Ns  # of the record that filled it
    event_ns: Ns
    trade_id: int  # the public trade that filled it; -1: it took from a quote
    partition: str
    offset: int
    beyond: Decimal = Decimal(0)  # the part that neither trade nor quote showed: [paper] slip
    fee_value: Decimal | None = None  # of a fee in another currency, in that of profit
    bid: float | None = None  # best bid that it met at the venue; NULL: none
    ask: float | None = None  # best ask that it met at the venue; NULL: none
