"""Merge of all partitions in log order: the horizon of what is certain, and the pending ticks.

    binance-0   |----------x         frontier: the least position that its next record can have
    coinbase-0  |-----x              horizon = the least frontier: below it nothing can still come
                  ^^^^ decided now

A position is (log_ns, partition, offset). The frontier of a partition that has ended is at MAX_NS.
A partition without a record stops all others: therefore the run's partitions are a fixed list.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from tapeflow.operators.desk.marks import Marks
from tapeflow.schemas.batches import AccountBatch
from tapeflow.schemas.desk_market import DeskMarket, DeskTicks, DeskTrades
from tapeflow.schemas.time import MAX_NS, MIN_NS, LogPosition

BEFORE_LOG: LogPosition = (MIN_NS, "", -1)
# By table of DeskMarket: chunks that are not below the horizon, as they came.
Pending = dict[str, deque[DeskTicks]]


@dataclass(slots=True)
class Merge:
    """The progress of each partition, and the ticks above the horizon."""

    partitions: tuple[str, ...]
    marks: Marks
    next: dict[str, int] = field(default_factory=dict)  # by partition: the offset expected next
    frontier: dict[str, LogPosition] = field(default_factory=dict)
    pending: dict[str, Pending] = field(default_factory=dict)
    horizon: LogPosition = BEFORE_LOG
    log_ns: int = 0  # newest log time of any record
    marks_changed: bool = False  # since the flag was last cleared

    def add(self, batch: AccountBatch) -> None:
        """Add some records of a partition."""
        partition, first = batch.partition, batch.first_offset
        assert partition in self.partitions, f"{partition} is not of this run"
        expected = self.next.get(partition, first)
        assert first == expected, f"{partition}: offset {first} came where {expected} was due"
        self.next[partition] = batch.next_offset
        self.log_ns = max(self.log_ns, batch.log_ns)
        pending = self.pending.get(partition)
        if pending is None:
            pending = self.pending[partition] = {name: deque() for name in DeskMarket.tables()}
        for chunks, ticks in zip(pending.values(), batch.market.columns(), strict=True):
            if len(ticks):
                chunks.append(ticks)
        if batch.end_of_log:
            self.frontier[partition] = (MAX_NS, partition, batch.next_offset)
        elif batch.next_offset > first:  # no records, no progress
            self.frontier[partition] = (batch.log_ns, partition, batch.next_offset)

    def advance(self) -> bool:
        """Move the horizon; return whether it has moved."""
        if len(self.frontier) < len(self.partitions):
            return False
        horizon = min(self.frontier.values())
        moved = horizon != self.horizon
        self.horizon = horizon
        return moved

    @property
    def ended(self) -> bool:
        """Whether all partitions have ended."""
        return self.horizon[0] == MAX_NS

    def trades_below_horizon(self, partition: str) -> Iterator[DeskTrades]:
        """Yield the pending trades of a partition that are below the horizon, in chunks."""
        for trades in self.pending[partition]["trades"]:
            assert isinstance(trades, DeskTrades)
            count = rows_before(self.horizon, partition, trades)
            if count:
                yield trades if count == len(trades) else trades.take(slice(None, count))
            if count < len(trades):
                return

    def release_before(self, position: LogPosition) -> None:
        """Release the ticks before a position: they become the marks."""
        for partition, pending in self.pending.items():
            for chunks in filter(None, pending.values()):
                for ticks in pop_before(chunks, position, partition):
                    self.marks.update(ticks)
                    self.marks_changed = True

    def next_mark_change_ns(self) -> int:
        """Return the earliest log time at which a pending or a future tick can change a mark."""
        heads = [
            int(chunks[0].log_ns[0])
            for pending in self.pending.values()
            for chunks in pending.values()
            if chunks
        ]
        return min([self.horizon[0], *heads])


def rows_before(position: LogPosition, partition: str, ticks: DeskTicks) -> int:
    """Return how many of these rows of a partition come before a position."""
    log_ns, name, offset = position
    if partition == name and log_ns != MAX_NS:
        return int(ticks.offset.searchsorted(offset))
    return int(ticks.log_ns.searchsorted(log_ns, "right" if partition < name else "left"))


def pop_before(
    chunks: deque[DeskTicks], position: LogPosition, partition: str
) -> Iterator[DeskTicks]:
    """Pop the rows before a position off the head of the chunks; the others cost nothing."""
    while chunks and (count := rows_before(position, partition, chunks[0])):
        head = chunks.popleft()
        yield head if count == len(head) else head.take(slice(None, count))
        if count < len(head):
            chunks.appendleft(head.take(slice(count, None)))
            return
