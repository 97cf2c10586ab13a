"""The strategies that run in the merge: their states, and what they wait for.

    Running   dip    state   price watches   timers     one for each strategy, in name order
    calls     fill of dip, refusal of pairs, ..         what the desk heard, in its order

All of it is changed by the desk's loop alone.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from typing import Any, NamedTuple

from msgspec import Struct

from tapeflow.operators.desk.booking import Booking
from tapeflow.operators.desk.merge import BEFORE_LOG
from tapeflow.operators.desk.strategies.failures import strategy_error
from tapeflow.operators.desk.strategies.history import BarMemory
from tapeflow.operators.desk.strategies.reads import BarReads, OwnReads, own_reads
from tapeflow.operators.desk.strategies.signal_counts import SignalCounts
from tapeflow.operators.desk.strategies.trades import ClosedTrades
from tapeflow.schemas.accounts import Decision
from tapeflow.schemas.order_events import OrderEvent
from tapeflow.schemas.orders import Fill
from tapeflow.schemas.signals import DeclaredStrategy
from tapeflow.schemas.sizing import Kelly
from tapeflow.schemas.strategy import PriceEvent, Strategy, WatchPrice
from tapeflow.schemas.time import LogPosition

HANDLERS: dict[Any, str] = {Fill: "on_fill", OrderEvent: "on_order", Decision: "on_refusal"}


class Call(NamedTuple):
    """An event that a strategy is to be called with."""

    running: "Running"
    handler: str
    event: Any


@dataclass(slots=True)
class Running:
    """A strategy at work."""

    declared: DeclaredStrategy
    strategy: Strategy
    state: Any
    name: bytes  # sorts strategies
    reads: OwnReads
    handlers: frozenset[str]  # that its class defines
    instruments: tuple[str, ...]  # ids, sorted as bytes
    calls: int = 0  # but those of bars, so far
    called_at: LogPosition = BEFORE_LOG  # of the last call
    calls_here: int = 0  # at that position
    trades: ClosedTrades = field(default_factory=ClosedTrades)
    watches: dict[tuple[str, str], WatchPrice] = field(default_factory=dict)  # by instrument, name
    timers: dict[str, int] = field(default_factory=dict)  # log time, by name

    @classmethod
    def begin(cls, declared: DeclaredStrategy, reads: OwnReads) -> "Running":
        """Return a strategy before its first event."""
        strategy = declared.strategy
        defined = frozenset(
            each
            for each in (*HANDLERS.values(), "on_bar", "on_timer", "on_price")
            if getattr(type(strategy), each) is not getattr(Strategy, each)
        )
        return cls(
            declared,
            strategy,
            begin_state(declared),
            declared.name.encode(),
            reads,
            defined,
            tuple(sorted(declared.instruments, key=str.encode)),
            trades=ClosedTrades(
                declared.sizing.trades if isinstance(declared.sizing, Kelly) else 0
            ),
        )


def begin_state(declared: DeclaredStrategy) -> Any:
    """Return the state of a strategy before its first event. Raises StrategyError."""
    try:
        state = declared.strategy.start()
        if state is not None and not isinstance(state, Struct):
            raise TypeError(f"a state is a msgspec Struct, not a {type(state).__name__}")
    except (Exception, SystemExit) as error:
        raise strategy_error(declared, "start", error) from error
    return state


@dataclass(slots=True)
class Strategies:
    """All strategies that run in the merge, in the order of their names."""

    running: dict[str, Running]  # by name
    memory: BarMemory
    calls: deque[Call] = field(default_factory=deque)
    signals: SignalCounts = field(default_factory=SignalCounts)
    timers: list[tuple[int, bytes, str]] = field(default_factory=list)  # a heap: time, owner, name
    by_bar: dict[tuple[str, str], list[Running]] = field(default_factory=dict)  # kind, instrument

    @classmethod
    def begin(
        cls, declared: tuple[DeclaredStrategy, ...], reads: BarReads, instruments: int
    ) -> "Strategies":
        """Return strategies before the first event."""
        ordered = sorted(declared, key=lambda each: each.name.encode())
        running = {each.name: Running.begin(each, own_reads(each, reads.own)) for each in ordered}
        by_bar: dict[tuple[str, str], list[Running]] = {}
        for each in running.values():
            if "on_bar" in each.handlers:
                for kind in each.reads.kinds:
                    for instrument in each.declared.instruments:
                        by_bar.setdefault((kind, instrument), []).append(each)
        return cls(running, BarMemory.empty(reads, instruments), by_bar=by_bar)

    def listens(self, strategy: str, handler: str) -> bool:
        """Return whether a strategy of the merge has a handler."""
        running = self.running.get(strategy)
        return running is not None and handler in running.handlers

    def note(self, fact: Any) -> None:
        """Let a strategy be called with a fact of its own that it handles."""
        handler = HANDLERS.get(type(fact))
        if handler is None or not self.listens(fact.strategy, handler):
            return
        if handler != "on_refusal" or fact.decision == "DENIED":
            self.calls.append(Call(self.running[fact.strategy], handler, fact))

    def add_booking(self, strategy: str, booking: Booking) -> None:
        """Let the size of a strategy follow what its trades make, where it does."""
        running = self.running.get(strategy)
        if running is not None and running.trades.count:
            running.trades.add(booking)

    def set_timer(self, running: Running, name: str, due_ns: int | None) -> None:
        """Set a timer in the place of the one of that name, or end it."""
        if due_ns is None:
            running.timers.pop(name, None)
        else:
            running.timers[name] = due_ns
            heappush(self.timers, (due_ns, running.name, name))
        living = sum(len(each.timers) for each in self.running.values())
        if len(self.timers) > 2 * living + 100:  # most were set anew, or ended
            self.timers = [
                (due_ns, each.name, name)
                for each in self.running.values()
                for name, due_ns in each.timers.items()
            ]
            heapify(self.timers)

    def next_timer_ns(self) -> int | None:
        """Return the log time of the next timer, None for none."""
        while self.timers:
            due_ns, owner, name = self.timers[0]
            if self.running[owner.decode()].timers.get(name) == due_ns:
                return due_ns
            heappop(self.timers)  # it was set anew, or ended
        return None

    def pop_timer(self) -> tuple[Running, str, int]:
        """Take the next timer: its strategy, name, and log time."""
        due_ns, owner, name = heappop(self.timers)
        running = self.running[owner.decode()]
        del running.timers[name]
        return running, name, due_ns

    def set_watch(self, running: Running, watch: WatchPrice) -> None:
        """Set a price watch in the place of the one of its name and instrument, or end it."""
        key = (watch.instrument, watch.name)
        running.watches.pop(key, None)
        if watch.below is not None or watch.above is not None:
            running.watches[key] = watch

    def watches_of(self, instrument: str) -> Iterator[tuple[Running, WatchPrice]]:
        """Yield the price watches of an instrument: by strategy, then as they were set."""
        for running in self.running.values():
            for watch in running.watches.values():
                if watch.instrument == instrument:
                    yield running, watch

    def add_price_event(self, running: Running, event: PriceEvent) -> None:
        """Let a strategy be called with the row that met one of its watches, which ends."""
        del running.watches[event.instrument, event.name]
        if "on_price" in running.handlers:
            self.calls.append(Call(running, "on_price", event))
