"""What strategies send: signals, and intents that risk has not seen yet."""

from decimal import Decimal

from msgspec import Struct

from tapeflow.schemas.market import Side
from tapeflow.schemas.time import LogPosition, Ns


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
    def place(self) -> LogPosition:
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
    def sort_key(self) -> tuple[LogPosition, int, bytes, bytes]:
        """Log order; of one record by end of bar, instrument, strategy."""
        signal = self.signal
        return signal.place, signal.close_ns, signal.instrument.encode(), signal.strategy.encode()
