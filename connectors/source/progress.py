"""Read progress of each partition: fast ones wait for slow ones, and the user can see it.

    binance-0   |=========>         |      max_lead = 2 s of log time
    coinbase-0  |====>  |                  binance-0 waits until coinbase-0 has caught up

No step reads it, so no result depends on it. If a cell is stale, a partition waits a little longer.
"""

from pathlib import Path

import numpy as np

from tapeflow.schemas.time import MAX_NS, MIN_NS

COLUMNS = 3  # log time reached (ns), records read, IDLE while the partition has nothing to read
IDLE = 1

Cells = np.ndarray[tuple[int, int], np.dtype[np.int64]]


def initial_cells(rows: int) -> Cells:
    """Return (rows, COLUMNS) int64 cells of partitions that have not been read yet."""
    cells = np.zeros((rows, COLUMNS), np.int64)
    cells[:, 0] = MIN_NS
    return cells


class Progress:
    """Read progress: one row per partition, each written by the one worker that reads it."""

    def __init__(self, partitions: tuple[str, ...], lead_ns: int, path: Path | None = None) -> None:
        """Lay out the rows in memory, or in the file `path` that processes of a machine share.

        A partition more than `lead_ns` of log time ahead of the slowest is to wait.
        """
        self.partitions = partitions
        self.row = {name: number for number, name in enumerate(sorted(partitions))}
        self.lead_ns = lead_ns
        self.path = path
        self.cells = self._cells()

    def _cells(self) -> Cells:
        rows = len(self.row)
        if self.path is None:
            return initial_cells(rows)
        if not self.path.exists():
            self.path.write_bytes(initial_cells(rows).tobytes())
        # a plain array over the file: each access through np.memmap costs microseconds more
        return np.asarray(np.memmap(self.path, np.int64, "r+", shape=(rows, COLUMNS)))

    def reset(self) -> None:
        """Set every partition back to its beginning."""
        self.cells[:] = initial_cells(len(self.row))

    def update(self, partition: str, log_ns: int, records: int) -> None:
        """Write the log time that a partition has reached, and how many of its records are read."""
        self.cells[self.row[partition]] = log_ns, records, 0

    def set_idle(self, partition: str) -> None:
        """Mark a partition as read to where its log ends now."""
        self.cells[self.row[partition], 2] = IDLE

    def is_idle(self, partition: str) -> bool:
        """Return whether a partition had nothing more to read when it was last polled."""
        return bool(self.cells[self.row[partition], 2] == IDLE)

    def is_ahead(self, partition: str) -> bool:
        """Return whether a partition is so far ahead of the slowest that it should wait."""
        log_ns = self.log_ns_of(partition)
        return log_ns not in (MIN_NS, MAX_NS) and log_ns > self.min_log_ns() + self.lead_ns

    def slower_are_idle(self, partition: str) -> bool:
        """Return whether all partitions behind this one were read to where their logs end now."""
        slower = self.cells[:, 0] < self.log_ns_of(partition)
        return bool((self.cells[slower, 2] == IDLE).all())

    def log_ns_of(self, partition: str) -> int:
        """Return the log time of a partition: MIN_NS before its first record, MAX_NS at its end."""
        return int(self.cells[self.row[partition], 0])

    def min_log_ns(self) -> int:
        """Return the log time that every partition has reached."""
        return int(self.cells[:, 0].min())

    def records(self) -> int:
        """Return how many records of all partitions have been read."""
        return int(self.cells[:, 1].sum())
