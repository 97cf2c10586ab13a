"""The state of the desk: the merge, the paper venue, the orders, and each account."""

from dataclasses import dataclass, field
from decimal import Decimal
from heapq import heappush
from typing import Any, NamedTuple

import numpy as np

from tapeflow.operators.desk.account import Account
from tapeflow.operators.desk.books import Books
from tapeflow.operators.desk.funding_terms import FundingDue, FundingTerms
from tapeflow.operators.desk.marks import Marks
from tapeflow.operators.desk.merge import BEFORE_LOG, Merge
from tapeflow.operators.desk.positions import ZERO
from tapeflow.operators.desk.rates import foreign_instruments
from tapeflow.operators.desk.risk.net import ApprovedExposure
from tapeflow.operators.desk.risk.state import RiskState
from tapeflow.operators.desk.settings import DeskSettings
from tapeflow.operators.desk.strategies.running import Strategies
from tapeflow.operators.desk.strategies.watches import watches_with
from tapeflow.operators.desk.venue.venue import Venue
from tapeflow.operators.desk.watch import Watch
from tapeflow.operators.desk.working_orders import LATE_NS, WorkingOrders
from tapeflow.schemas.bar import Bar
from tapeflow.schemas.batches import DeskBatch
from tapeflow.schemas.columns import Ints
from tapeflow.schemas.orders import Report
from tapeflow.schemas.signals import AnyIntent
from tapeflow.schemas.time import LogPosition


class DeskBar(NamedTuple):
    """A bar that strategies or orders in slices follow, in the order of the log."""

    position: LogPosition  # of the record that closed it
    close_ns: int
    kind: str  # "": of the job's own width, which comes first
    instrument: bytes  # its id
    bar: Bar
    features: tuple[float, ...]  # those that are needed of its kind


@dataclass(slots=True)
class AccountState:
    """Approvals and holdings of one account, changed in place."""

    name: str
    approved: ApprovedExposure = field(default_factory=ApprovedExposure)
    money: Account = field(default_factory=Account)
    reach: Decimal = ZERO  # of all positions and orders: see reach.py
    sample_ns: int = 0  # log time of the next equity sample; 0: none before the next fill
    sampled_releases: int = 0  # the merge's releases at the last sample
    seq: int = 0
    event_seq: int = 0
    command_seq: int = 0
    funding_seq: int = 0

    def next_seq(self) -> int:
        """Return the next running number of its facts."""
        self.seq += 1
        return self.seq

    def next_event_seq(self) -> int:
        """Return the next running number of its order events."""
        self.event_seq += 1
        return self.event_seq

    def next_command_seq(self) -> int:
        """Return the next running number of its commands."""
        self.command_seq += 1
        return self.command_seq

    def next_funding_seq(self) -> int:
        """Return the next running number of its funding."""
        self.funding_seq += 1
        return self.funding_seq


@dataclass(slots=True)
class State:
    """The state of the desk, changed in place."""

    merge: Merge
    venue: Venue
    watch: Watch
    instrument_partition: Ints  # by instrument: number of its partition, -1 before its first tick
    accounts: dict[str, AccountState]  # by name
    funding: FundingTerms
    orders: WorkingOrders
    strategies: Strategies
    risk: RiskState = field(default_factory=RiskState)
    intents: list[tuple[tuple[Any, ...], int, AnyIntent]] = field(default_factory=list)  # a heap
    intent_number: int = 0  # of the newest intent
    answers: list[tuple[int, int, Report]] = field(default_factory=list)  # a heap: log time, number
    answer_number: int = 0
    slice_timers: list[tuple[int, str]] = field(default_factory=list)  # a heap: log time, order
    bars: list[DeskBar] = field(default_factory=list)  # a heap
    dues: list[tuple[LogPosition, int, FundingDue]] = field(default_factory=list)  # a heap
    samples: list[tuple[int, str]] = field(default_factory=list)  # a heap: log time, account
    now: LogPosition = BEFORE_LOG  # of what is processed
    reports: list[Report] = field(default_factory=list)  # of the rows of one record
    searched: set[str] = field(
        default_factory=set
    )  # partitions to search anew; empty between steps

    def partition_of(self, instrument: int) -> str | None:
        """Return the partition that the ticks of an instrument come from, None before its first."""
        number = int(self.instrument_partition[instrument])
        return None if number < 0 else self.merge.partitions[number]

    def add_intent(self, intent: AnyIntent) -> None:
        """Let an intent be decided at its position; those of equal keys as they came."""
        self.intent_number += 1
        heappush(self.intents, (intent.sort_key, self.intent_number, intent))

    def add_answer(self, report: Report) -> None:
        """Let a report that is on its way be heard at its time; those of one time as they came."""
        self.answer_number += 1
        heappush(self.answers, (report.position[0], self.answer_number, report))

    def add_dues(self, batch: DeskBatch) -> None:
        """Let the funding that a batch makes due be paid at its position."""
        for due in self.funding.take_in(batch.market.mark_prices, batch.partition):
            heappush(self.dues, (due.position, due.instrument, due))

    def add_sample(self, account: AccountState) -> None:
        """Let the next sample of an account come at its time."""
        heappush(self.samples, (account.sample_ns, account.name))

    def watch_orders(self) -> None:
        """Write the bounds of the instruments of which they may have changed."""
        for instrument in self.venue.changed:
            partition = self.partition_of(instrument)
            if partition is not None:  # else it is watched from its first tick on: see step.py
                bounds = self.venue.bounds(instrument)
                if band := self.risk.supervision.bands.get(instrument):
                    bounds = bounds.unite(band)
                if self.strategies.running:
                    watches = self.strategies.watches_of(self.venue.instruments.ids[instrument])
                    bounds = watches_with(bounds, watches)
                self.watch.set_bounds(partition, instrument, bounds)
                self.searched.add(partition)
        self.venue.changed.clear()


def initial_state(settings: DeskSettings) -> State:
    """Return the state before any record."""
    instruments = len(settings.instruments)
    return State(
        merge=Merge(settings.partitions, Marks.empty(instruments), settings.venue_clock),
        venue=Venue(settings.paper, settings.instruments),
        watch=Watch.empty(instruments),
        instrument_partition=np.full(instruments, -1, np.int64),
        accounts={name: new_account(name, settings) for name in settings.accounts},
        funding=FundingTerms.empty(instruments),
        orders=WorkingOrders(LATE_NS + settings.paper.longest_ns),
        strategies=Strategies.begin(settings.strategies, settings.reads, instruments),
    )


def new_account(name: str, settings: DeskSettings) -> AccountState:
    """Return the state of an account before its first fill."""
    foreign = foreign_instruments(settings.instruments, settings.accounts[name].at_par)
    return AccountState(name, money=Account(Books(foreign)))
