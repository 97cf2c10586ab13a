"""Merge of all partitions in log order: the horizon of what is certain, and the pending ticks.

    binance-0   |----------x         frontier: the least position that its next record can have
    coinbase-0  |-----x              horizon = the least frontier: below it nothing can still come
                  ^^^^ decided now

A position is (log_ns, partition, offset). The frontier of a partition that has ended is at MAX_NS.
A partition without a record stops all others: therefore the run's partitions are a fixed list.
"""

from collections import deque
from dataclasses import dataclass, field

from tapeflow.operators.desk.marks import Marks
from tapeflow.operators.desk.venue_clock import initial_clock, set_venue_times
from tapeflow.schemas.batches import DeskBatch
from tapeflow.schemas.columns import Ints
from tapeflow.schemas.desk_market import DeskMarket, DeskTicks
from tapeflow.schemas.time import MAX_NS, MIN_NS, LogPosition

BEFORE_LOG: LogPosition = (MIN_NS, "", -1)


@dataclass(slots=True)
class Pending:
    """The rows of one table of a partition that are not released, in chunks as they came."""

    chunks: deque[DeskTicks] = field(default_factory=deque)
    begin: int = 0  # rows of the first chunk that are released

    def release(self, rows: int) -> None:
        """Release rows of the first chunk, up to row `rows` of it."""
        self.begin = rows
        if rows == len(self.chunks[0]):
            self.chunks.popleft()
            self.begin = 0


@dataclass(slots=True)
class Merge:
    """The progress of each partition, and the ticks above the horizon."""

    partitions: tuple[str, ...]
    marks: Marks
    uses_venue_clock: bool = False
    next: dict[str, int] = field(default_factory=dict)  # by partition: the offset expected next
    frontier: dict[str, LogPosition] = field(default_factory=dict)
    pending: dict[str, tuple[Pending, ...]] = field(default_factory=dict)  # tables of DeskMarket
    clocks: dict[str, Ints] = field(default_factory=dict)  # by partition: see venue_clock.py
    horizon: LogPosition = BEFORE_LOG
    joined: dict[str, LogPosition] = field(default_factory=dict)  # where a state was, by partition
    first_ns: int = MAX_NS  # log time of the first record: certain when the horizon moves
    log_ns: int = 0  # newest log time of any record
    releases: int = 0  # of rows so far: marks have changed where it has grown

    def add(self, batch: DeskBatch) -> None:
        """Add some records of a partition."""
        partition, first = batch.partition, batch.first_offset
        assert partition in self.partitions, f"{partition} is not of this run"
        expected = self.next.get(partition, first)
        assert first == expected, f"{partition}: offset {first} came where {expected} was due"
        self.next[partition] = batch.next_offset
        self.log_ns = max(self.log_ns, batch.log_ns)
        if self.horizon == BEFORE_LOG and batch.next_offset > first:
            self.first_ns = min(self.first_ns, batch.first_log_ns)
        market = batch.market
        if self.uses_venue_clock:
            clock = self.clocks.setdefault(partition, initial_clock())
            market = set_venue_times(clock, market)
        pending = self.pending.get(partition)
        if pending is None:
            pending = self.pending[partition] = tuple(Pending() for _ in DeskMarket.tables())
        for table, ticks in zip(pending, market.columns(), strict=True):
            if len(ticks):
                table.chunks.append(ticks)
        if batch.end_of_log:
            self.frontier[partition] = (MAX_NS, partition, batch.next_offset)
        elif batch.next_offset > first:  # no records, no progress
            self.frontier[partition] = (batch.log_ns, partition, batch.next_offset)

    def advance(self) -> bool:
        """Move the horizon; return whether it has moved.

        It never goes back: a partition that is new to a state first comes to where that is.
        """
        if len(self.frontier) < len(self.partitions):
            return False
        before, self.horizon = self.horizon, max(self.horizon, min(self.frontier.values()))
        return self.horizon != before

    def is_past(self, position: LogPosition) -> bool:
        """Return whether a position is one of a partition before it came to where the state was."""
        return bool(self.joined) and position < self.joined.get(position[1], BEFORE_LOG)

    @property
    def ended(self) -> bool:
        """Whether all partitions have ended."""
        return self.horizon[0] == MAX_NS

    def release_before(self, position: LogPosition) -> None:
        """Release the ticks before a position: they become the marks."""
        for partition in self.pending:
            self.release_partition(partition, position)

    def release_through(self, position: LogPosition) -> None:
        """Release the ticks up to a record, with it: what is decided at it meets later rows."""
        log_ns, partition, offset = position
        self.release_before((log_ns, partition, offset + 1))

    def release_partition(
        self, partition: str, position: LogPosition, tables: int | None = None
    ) -> None:
        """Release the ticks of one partition before a position, of its first tables or of all."""
        for table in self.pending[partition][:tables]:
            while table.chunks:
                head = table.chunks[0]
                count = rows_before(position, partition, head)
                if count <= table.begin:
                    break
                self.release(table, count)
                if count < len(head):
                    break

    def release(self, table: Pending, rows: int) -> None:
        """Release the rows of the first chunk of a table up to row `rows`."""
        self.marks.update(table.chunks[0], table.begin, rows)
        self.releases += 1
        table.release(rows)

    def next_mark_change_ns(self) -> int:
        """Return the earliest log time at which a pending or a future tick can change a mark."""
        heads = [
            int(table.chunks[0].log_ns[table.begin])
            for pending in self.pending.values()
            for table in pending
            if table.chunks
        ]
        return min([self.horizon[0], *heads])


def rows_before(position: LogPosition, partition: str, ticks: DeskTicks) -> int:
    """Return how many of these rows of a partition come before a position."""
    log_ns, name, offset = position
    if partition == name and log_ns != MAX_NS:
        return int(ticks.offset.searchsorted(offset))
    return int(ticks.log_ns.searchsorted(log_ns, "right" if partition < name else "left"))
