"""All partitions in log order: what may be decided now, and the ticks it needs.

    binance-0   |----------x         frontier: the least place that its next record can have
    coinbase-0  |-----x              horizon = the least frontier: below it nothing can still come
                  ^^^^ decided now

A place is (log_ns, partition, offset). After its end a partition's frontier is at infinity. A
partition never heard of holds everything back, which is why their list is fixed before the run.
"""

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from tapeflow.engine.compiled import compiled
from tapeflow.schemas.batches import AccountBatch
from tapeflow.schemas.columns import Floats, Ints
from tapeflow.schemas.market import ACCEPTED, Quotes, Trades
from tapeflow.schemas.time import LogPosition

MAX_NS = 2**63 - 1  # log time behind the end of a log
BEFORE_LOG: LogPosition = (-(2**63), "", -1)
C = TypeVar("C", Trades, Quotes)


@dataclass(slots=True)
class Pending:
    """Ticks of one partition that are not below the horizon yet, as they came."""

    trades: deque[Trades] = field(default_factory=deque)
    quotes: deque[Quotes] = field(default_factory=deque)


@dataclass(slots=True)
class Marks:
    """The newest prices below what is decided, by instrument; NaN where there was none."""

    last: Floats
    bid: Floats
    ask: Floats

    @classmethod
    def of(cls, instruments: int) -> "Marks":
        """Nothing heard yet."""
        return cls(*(np.full(instruments, np.nan) for _ in range(3)))


@dataclass(slots=True)
class Merge:
    """How far each partition has come, and what waits."""

    partitions: tuple[str, ...]
    marks: Marks
    next: dict[str, int] = field(default_factory=dict)  # offset that must come next
    frontier: dict[str, LogPosition] = field(default_factory=dict)
    pending: dict[str, Pending] = field(default_factory=dict)
    horizon: LogPosition = BEFORE_LOG
    log_ns: int = 0  # newest log time heard of
    marks_changed: bool = False  # did ticks become marks since someone last looked?

    def take(self, told: AccountBatch) -> None:
        """Hear of some records of a partition."""
        assert told.partition in self.partitions, f"{told.partition} is not of this run"
        expected = self.next.get(told.partition, told.lo)
        assert told.lo == expected, f"{told.partition}: {told.lo} came where {expected} was due"
        self.next[told.partition] = told.hi
        self.log_ns = max(self.log_ns, told.log_ns)
        pending = self.pending.setdefault(told.partition, Pending())
        if len(told.trades):
            pending.trades.append(told.trades)
        if len(told.quotes):
            pending.quotes.append(told.quotes)
        if told.end:
            self.frontier[told.partition] = (MAX_NS, told.partition, told.hi)
        elif told.hi > told.lo:  # no records, no progress
            self.frontier[told.partition] = (told.log_ns, told.partition, told.hi)

    def advance(self) -> bool:
        """Move the horizon; False if it stays."""
        if len(self.frontier) < len(self.partitions):
            return False
        horizon = min(self.frontier.values())
        moved = horizon != self.horizon
        self.horizon = horizon
        return moved

    @property
    def ended(self) -> bool:
        """Have all partitions ended?"""
        return self.horizon[0] == MAX_NS

    def trades_below_horizon(self, partition: str) -> Iterator[Trades]:
        """Pending trades of a partition that may be used now."""
        for trades in self.pending[partition].trades:
            count = rows_before(self.horizon, partition, trades)
            if count:
                yield trades if count == len(trades) else trades.take(slice(None, count))
            if count < len(trades):
                return

    def mark(self, instrument: int, *, long: bool) -> float:
        """What an open position could be closed at: the quote's other side, else the last trade."""
        quoted = float((self.marks.bid if long else self.marks.ask)[instrument])
        return float(self.marks.last[instrument]) if math.isnan(quoted) else quoted

    def release_before(self, place: LogPosition) -> None:
        """Let go of the ticks before a place; they become the marks."""
        for name, pending in self.pending.items():
            for trades in pop_before(pending.trades, place, name):
                good = update_last_prices(
                    self.marks.last, trades.instrument, trades.verdict, trades.price
                )
                self.marks_changed |= good > 0
            for quotes in pop_before(pending.quotes, place, name):
                self.marks_changed = True
                self.marks.bid[quotes.instrument] = quotes.bid
                self.marks.ask[quotes.instrument] = quotes.ask

    def next_mark_change_ns(self) -> int:
        """Log time before which no tick stands that has not become a mark, nor will one come."""
        heads = [
            int(chunks[0].log_ns[0])
            for pending in self.pending.values()
            for chunks in (pending.trades, pending.quotes)
            if chunks
        ]
        return min([self.horizon[0], *heads])


@compiled
def update_last_prices(last: Floats, instrument: Ints, verdict: Ints, price: Floats) -> int:
    """Let the last accepted price of each instrument stay; how many there were."""
    good = 0
    for row in range(len(verdict)):
        if verdict[row] == ACCEPTED:
            last[instrument[row]] = price[row]
            good += 1
    return good


def rows_before(place: LogPosition, partition: str, ticks: Trades | Quotes) -> int:
    """How many rows of these ticks come before a place."""
    log_ns, name, offset = place
    if partition == name and log_ns != MAX_NS:
        return int(ticks.offset.searchsorted(offset))
    return int(ticks.log_ns.searchsorted(log_ns, "right" if partition < name else "left"))


def pop_before(chunks: deque[C], place: LogPosition, partition: str) -> Iterator[C]:
    """Take what is before a place off the head of the chunks; a page costs only what it takes."""
    while chunks and (count := rows_before(place, partition, chunks[0])):
        head = chunks.popleft()
        yield head if count == len(head) else head.take(slice(None, count))
        if count < len(head):
            chunks.appendleft(head.take(slice(count, None)))
            return
