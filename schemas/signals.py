"""The output of strategies: signals, and the intents that the risk checks receive."""

from decimal import Decimal

from msgspec import Struct

from tapeflow.schemas.sides import Side
from tapeflow.schemas.time import LogPosition, Ns


class Signal(Struct, frozen=True, gc=False):
    """A strategy's forecast for one instrument, made at the record that closed a bar."""

    id: str
    strategy: str
    instrument: str
    time_ns: Ns  # log time of the deciding record
    side: Side  # BUY where the forecast is above zero
    strength: float  # the forecast's absolute value, in the strategy's own units
    bar_id: str  # of the bar that caused it
    close_ns: Ns  # end of that bar
    ref_price: float  # its close
    partition: str
    offset: int  # of the deciding record

    @property
    def position(self) -> LogPosition:
        """The position of the deciding record in the log."""
        return self.time_ns, self.partition, self.offset


class Strategy(Struct, frozen=True):
    """A strategy as the job declares it: kind, parameters, instruments, account, order size."""

    name: str
    kind: str  # a key of operators.strategies.step.STRATEGIES
    params: dict[str, float]
    account: str
    size: Decimal  # of each order
    instruments: frozenset[str]


class Intent(Struct, frozen=True, gc=False):
    """A trade that a strategy proposes, before the risk checks."""

    account: str
    signal: Signal
    size: Decimal  # positive, a multiple of the lot

    @property
    def sort_key(self) -> tuple[LogPosition, int, bytes, bytes]:
        """Key that sorts intents: position in the log, then end of bar, instrument, strategy."""
        signal = self.signal
        return (
            signal.position,
            signal.close_ns,
            signal.instrument.encode(),
            signal.strategy.encode(),
        )
