"""What we think, want, decide and own: from a signal to a position. Money is decimal."""

from decimal import Decimal

from msgspec import Struct

from schemas.market import Ns, Place, Side


class Signal(Struct, frozen=True, gc=False):
    """A strategy's view of one instrument, at the record that closed a bar."""

    id: str
    strategy: str
    instrument: str
    time_ns: Ns  # log time of the deciding record
    side: Side
    strength: float  # in the strategy's own units, never negative
    cause: str  # the bar's id
    close_ns: Ns  # end of that bar
    ref_price: float  # its close
    partition: str
    offset: int  # of the deciding record

    @property
    def place(self) -> Place:
        """Where in the log order it was made."""
        return self.time_ns, self.partition, self.offset


class Strategy(Struct, frozen=True):
    """A declared strategy: which signal, over what, for whom, how much."""

    name: str
    kind: str  # a key of operators.signals.KINDS
    params: dict[str, float]
    account: str
    size: Decimal  # of each order
    instruments: frozenset[str]


class Intent(Struct, frozen=True, gc=False):
    """A wish to trade, not yet allowed. Only the risk step makes an Order of it."""

    account: str
    signal: Signal
    size: Decimal  # positive, a multiple of the lot

    @property
    def order_of_deciding(self) -> tuple[Place, int, bytes, bytes]:
        """Log order; of one record by end of bar, instrument, strategy."""
        signal = self.signal
        return signal.place, signal.close_ns, signal.instrument.encode(), signal.strategy.encode()


class Decision(Struct, frozen=True, gc=False):
    """What risk said to an intent, approvals too."""

    seq: int  # the desk's running number over all it says
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
    reason: str  # the check that denied, or ""
    detail: str  # limit and observed value of that check


class Order(Struct, frozen=True, gc=False):
    """An approved order. Nothing but the risk step makes one; a venue takes nothing else."""

    seq: int
    id: str  # derived from account, strategy, instrument, cause: the same in every run
    signal_id: str
    account: str
    strategy: str
    instrument: str
    side: Side
    type: str  # market
    size: Decimal
    ref_price: Decimal
    time_ns: Ns  # decided
    active_ns: Ns  # when it has reached the venue
    partition: str  # place of the deciding record
    offset: int

    @property
    def place(self) -> Place:
        """Where in the log order it was decided."""
        return self.time_ns, self.partition, self.offset


class Fill(Struct, frozen=True, gc=False):
    """An order, or a part of one, done at the venue."""

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
    fee_currency: str
    liquidity: str  # TAKER | MAKER
    log_ns: Ns  # of the record that filled it
    event_ns: Ns
    trade_id: int  # the public trade that filled it
    partition: str
    offset: int


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


class Limits(Struct, frozen=True):
    """What an account may do at the most; exactly at a limit passes."""

    position_max: Decimal  # units of any one instrument, long or short
    gross_max: Decimal  # notional of all instruments together
    orders_max: int  # approved orders in any window of orders_window_ns
    orders_window_ns: int
