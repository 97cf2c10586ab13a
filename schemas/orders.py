"""Orders that risk has approved, and their fills. Money is decimal."""

from decimal import Decimal

from msgspec import Struct

from tapeflow.schemas.sides import Side
from tapeflow.schemas.time import Ns


class Order(Struct, frozen=True, gc=False):
    """An order: made only of an intent that passed the risk checks; venues accept nothing else."""

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
    time_ns: Ns  # log time of the decision
    active_ns: Ns  # log time at which it reaches the venue
    partition: str  # of the deciding record
    offset: int  # of the deciding record


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
    trade_id: int  # the public trade that filled it
    partition: str
    offset: int
