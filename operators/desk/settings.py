"""The settings of the desk: those of the portfolio, and those of each account."""

from collections.abc import Iterable, Mapping
from decimal import Decimal

from msgspec import Struct
from msgspec.structs import replace

from tapeflow.operators.desk.booking import MoneyRules
from tapeflow.operators.desk.risk.rules import RiskRules
from tapeflow.operators.desk.strategies.kernel import with_class
from tapeflow.operators.desk.strategies.reads import NO_READS, BarReads, read_needs
from tapeflow.operators.desk.venue.rules import PaperRules
from tapeflow.schemas.accounts import Limits
from tapeflow.schemas.instruments import InstrumentTable
from tapeflow.schemas.protections import Protection
from tapeflow.schemas.signals import DeclaredStrategy
from tapeflow.schemas.time import MIN_NS


class AccountSettings(Struct, frozen=True):
    """The settings of one account."""

    name: str
    limits: Limits
    at_par: tuple[str, ...]  # currencies that are added up one to one
    capital: Decimal | None = None  # in them, at the beginning; None: not declared


class ControlRules(Struct, frozen=True):
    """How far commands go."""

    max_age_ns: int  # of a command when it comes, in log time
    bounds: Mapping[str, Mapping[str, tuple[Decimal, Decimal]]]  # by scope and limit
    owners: Mapping[str, str] = {}  # by strategy: who may not approve its orders


class DeskSettings(Struct, frozen=True):
    """The settings of the desk, and the tables of its job."""

    accounts: dict[str, AccountSettings]  # by name
    partitions: tuple[str, ...]  # all of the run, in the order in which they are read
    instruments: InstrumentTable
    paper: PaperRules
    venue_clock: bool  # an order acts at the venue's clock; else at that of the log
    money: MoneyRules
    risk: RiskRules
    sample_ns: int  # between samples of equity, in log time
    stale_mark_ns: int  # equity names the time of a mark that is older than this
    pays_funding: bool = False  # whether mark prices say what is paid
    reads_bars: bool = False  # whether orders in slices follow the volume of bars
    has_triggers: bool = (
        False  # whether orders wait for a trigger: they meet quotes and mark prices
    )
    order_events: bool = True  # whether order events and commands are facts
    stores_quotes: bool = True  # whether decisions and fills have the best quote
    traded: Mapping[tuple[str, str], frozenset[str]] | None = None  # by account and strategy: ids
    strategies: tuple[DeclaredStrategy, ...] = ()  # that are called in the merge
    reads: BarReads = NO_READS  # of them
    warm_up_ns: int = 0  # from the first record of the log on: nothing is traded
    warm_until_ns: int = MIN_NS  # log time before which nothing is traded
    protections: tuple[Protection, ...] = ()  # of positions; the first that holds one
    control: ControlRules | None = None  # None: nobody may command it

    def trading_begin_ns(self, first_ns: int) -> int:
        """Return the log time at which trading begins, of a log that begins at `first_ns`."""
        return first_ns + self.warm_up_ns if self.warm_up_ns else self.warm_until_ns

    def with_strategies(
        self, strategies: Iterable[DeclaredStrategy], own: frozenset[str] = frozenset()
    ) -> "DeskSettings":
        """Return settings of a desk that calls these strategies; kernels become classes.

        `own` are the kinds that they need and that are the job's own width. Raises ValueError
        where one needs what is no need.
        """
        called = tuple(map(with_class, strategies))
        return replace(self, strategies=called, reads=read_needs(called, own))

    def may_trade(self, account: str, strategy: str, instrument: str) -> bool:
        """Return whether a strategy of the job trades an instrument; all do without `traded`."""
        if self.traded is None:
            return account in self.accounts and instrument in self.instruments.number
        return instrument in self.traded.get((account, strategy), ())

    @property
    def sees_every_quote(self) -> bool:
        """Whether orders, strategies or facts need each quote, or the venue's clock does."""
        follows = self.venue_clock or self.has_triggers or bool(self.strategies)
        return follows or self.supervises or self.stores_quotes or self.paper.model != "trade"

    @property
    def supervises(self) -> bool:
        """Whether limits or positions are held at every price."""
        of_scopes = (each.is_supervised for each in self.risk.limits.values())
        is_held = self.risk.counting == "worst" and (any(of_scopes) or self.lets_set_limits)
        return bool(self.protections) or is_held

    @property
    def holds_exposure(self) -> bool:
        """Whether the exposure of a scope is held within limits at every price."""
        held = any(each.holds_exposure for each in self.risk.limits.values())
        return self.risk.counting == "worst" and (held or self.lets_set_limits)

    @property
    def lets_set_limits(self) -> bool:
        """Whether commands may set limits, also of scopes that declare none."""
        return self.control is not None and any(self.control.bounds.values())

    @property
    def correlates(self) -> bool:
        """Whether correlations of bars are asked for."""
        return any(each.correlated_max is not None for each in self.risk.limits.values())
