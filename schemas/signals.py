"""The output of strategies: signals, and the intents that the risk checks receive."""

from decimal import Decimal
from typing import Any, Literal

from msgspec import Struct

from tapeflow.schemas.order_plans import AT_MARKET, OrderPlan
from tapeflow.schemas.orders import MARKET, LinkRule, Terms
from tapeflow.schemas.sides import Side
from tapeflow.schemas.sizing import Sizing, VolatilityTarget
from tapeflow.schemas.time import LogPosition, Ns


class Signal(Struct, frozen=True, gc=False):
    """A strategy's forecast for one instrument, made at a record: most close a bar."""

    id: str
    strategy: str
    instrument: str
    time_ns: Ns  # log time of the deciding record
    side: Side  # BUY where the forecast is above zero
    strength: float  # the forecast's absolute value, in the strategy's own units
    bar_id: str  # of the bar, fill, order, timer or price watch that caused it
    close_ns: Ns  # end of that bar; else log time
    ref_price: float  # the bar's close; else the last trade, or the mid
    partition: str
    offset: int  # of the deciding record

    @property
    def position(self) -> LogPosition:
        """The position of the deciding record in the log."""
        return self.time_ns, self.partition, self.offset


class Slicing(Struct, frozen=True, gc=False):
    """How an order is executed in slices; their sum never passes the order."""

    kind: Literal["twap", "iceberg", "participation"]
    count: int = 0  # of twap: slices
    every_ns: int = 0  # of twap: time between two slices
    jitter_ns: int = 0  # of twap: each slice is later by up to this, drawn from its id
    display: Decimal | None = None  # of iceberg: size of a slice
    share: Decimal | None = None  # of participation: part of the volume of each bar


class DeclaredStrategy(Struct, frozen=True):
    """A strategy as the job declares it: kind, parameters, instruments, account, orders."""

    name: str
    kind: str  # as it is written: of a kernel a key of operators.strategies.step.STRATEGIES
    params: dict[str, Any]  # the settings of its own, as they are written
    account: str
    size: Decimal  # of each order; 0 where `sizing` says it
    instruments: frozenset[str]
    order: OrderPlan = AT_MARKET
    exits: tuple[OrderPlan, ...] = ()  # prices relative to that of the entry, of the other side
    exit_rule: LinkRule = "OUO"
    slicing: Slicing | None = None
    sizing: Sizing | None = None  # None: `size` units
    strategy: Any = None  # a Strategy of schemas/strategy.py; None: a kernel over columns of bars
    placement: Literal["columns", "merge"] = "columns"  # of a kernel; any other is in the merge
    source_sha256: str = ""  # of the file of its class; "": a built-in

    @property
    def needs(self) -> tuple[str, ...]:
        """What its class and its size need, as `needs` of a class gives it."""
        own = () if self.strategy is None else tuple(self.strategy.needs())
        return (*own, self.sizing.bars_need) if isinstance(self.sizing, VolatilityTarget) else own

    @property
    def has_any_size(self) -> bool:
        """Whether the size of an order is known only when it is made."""
        return self.sizing is not None or self.strategy is not None

    @property
    def slices_by_volume(self) -> bool:
        """Whether any of its orders follows the volume of bars; those of a class may."""
        of_row = self.slicing is not None and self.slicing.kind == "participation"
        return self.strategy is not None or of_row

    @property
    def has_triggers(self) -> bool:
        """Whether any of its orders waits for a trigger; those of a class may."""
        return self.strategy is not None or any(
            plan.is_conditional for plan in (self.order, *self.exits)
        )


class Leg(Struct, frozen=True, gc=False):
    """One more order of an intent: another entry, or an exit."""

    side: Side
    size: Decimal
    terms: Terms


class Intent(Struct, frozen=True, gc=False, tag="intent"):
    """A trade that a strategy proposes, before the risk checks."""

    account: str
    signal: Signal
    size: Decimal  # positive, a multiple of the lot
    terms: Terms = MARKET
    others: tuple[Leg, ...] = ()  # further entries, linked by `entry_rule`
    entry_rule: LinkRule = ""
    exits: tuple[Leg, ...] = ()  # held until an entry fills; live by its filled size
    exit_rule: LinkRule = "OUO"
    slicing: Slicing | None = None  # of the order itself

    @property
    def sort_key(self) -> tuple[LogPosition, int, bytes, bytes]:
        """Key that sorts intents: position in the log, then end of bar, instrument, strategy."""
        return intent_key(self.signal)


class CancelIntent(Struct, frozen=True, gc=False, tag="cancel"):
    """A wish to cancel an order."""

    account: str
    signal: Signal  # the cause
    order_id: str

    @property
    def sort_key(self) -> tuple[LogPosition, int, bytes, bytes]:
        """Key that sorts intents: as that of `Intent`."""
        return intent_key(self.signal)


class AmendIntent(Struct, frozen=True, gc=False, tag="amend"):
    """A wish to change an order; None leaves a field as it is."""

    account: str
    signal: Signal  # the cause
    order_id: str
    size: Decimal | None = None  # the whole size, with what is filled
    limit: Decimal | None = None
    trigger: Decimal | None = None

    @property
    def sort_key(self) -> tuple[LogPosition, int, bytes, bytes]:
        """Key that sorts intents: as that of `Intent`."""
        return intent_key(self.signal)


AnyIntent = Intent | CancelIntent | AmendIntent


def intent_key(signal: Signal) -> tuple[LogPosition, int, bytes, bytes]:
    """Return position in the log, end of bar, instrument, strategy."""
    return (
        signal.position,
        signal.close_ns,
        signal.instrument.encode(),
        signal.strategy.encode(),
    )
