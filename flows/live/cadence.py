"""Bounds what snapshots cost a flow.

    nothing was committed since a part was read  ──▶ its rows are those of now
    a part was read less than 50 times its query's duration ago  ──▶ its rows are shown with age

So the queries of a part take at most a fiftieth of one processor, whatever its table has grown to.
The duration is the least of the last reads: a busy machine makes a query wait, not dearer.
"""

from collections.abc import Callable
from time import monotonic

from msgspec import Struct

from tapeflow.flows.live.source import Row

REST = 50  # times the duration of a query
REST_MAX_S = 60.0
READS = 5  # of which the least duration counts
TOLERANCE_S = 0.5  # a part that is due before the next second is read now


class Part(Struct, frozen=True):
    """Rows of a part, when they were read, and how long the last reads took."""

    rows: list[Row]
    commit: int | None  # wall time of the last commit that they have
    read_s: float
    durations_s: tuple[float, ...]  # of the last READS


class Cadence:
    """Reads each part as often as its cost allows."""

    def __init__(self, read: Callable[[str], list[Row]], clock: Callable[[], float] = monotonic):
        """Read by `read`; `clock` gives seconds."""
        self.read, self.clock = read, clock
        self.parts: dict[str, Part] = {}
        self.commit: int | None = None

    def begin(self, commit: int | None) -> None:
        """Begin a snapshot; `commit` is the wall time of the last commit."""
        self.commit = commit

    def get(self, name: str, sql: str) -> list[Row]:
        """Return the rows of a part: read anew where there may be others and it has rested."""
        now_s, part = self.clock(), self.parts.get(name)
        if part is not None:
            rest_s = min(REST * min(part.durations_s), REST_MAX_S)
            if part.commit == self.commit or now_s - part.read_s + TOLERANCE_S < rest_s:
                return part.rows
        rows = self.read(sql)
        before = () if part is None else part.durations_s
        durations_s = (*before, self.clock() - now_s)[-READS:]
        self.parts[name] = Part(rows, self.commit, now_s, durations_s)
        return rows

    def ages_s(self) -> dict[str, float]:
        """Return how long ago each part was read that lacks a later commit."""
        now_s = self.clock()
        return {
            name: round(now_s - part.read_s, 1)
            for name, part in self.parts.items()
            if part.commit != self.commit
        }

    def clear(self) -> None:
        """Forget all: another run, or another file, is read."""
        self.parts.clear()
