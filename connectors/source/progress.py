"""How far each partition has been read: for holding back those ahead, and for showing progress.

    binance-0   |=========>         |      lead = 2 s of log time
    coinbase-0  |====>  |                  binance-0 waits until coinbase-0 has caught up

No step reads it, so no result depends on it. Its worst state, a stale one, only makes someone wait.
"""

from pathlib import Path

import numpy as np

END = 2**63 - 1  # the log time after all log times
START = -(2**63)
COLUMNS = 3  # log time reached, records read, IDLE while nothing is there to read
IDLE = 1


def fresh(shape: tuple[int, ...]) -> "np.ndarray[tuple[int, int], np.dtype[np.int64]]":
    """A board on which nobody has written."""
    cells = np.zeros((shape[0], COLUMNS), np.int64)
    cells[:, 0] = START
    return cells


class Progress:
    """One row a partition; each row has one writer."""

    def __init__(self, partitions: tuple[str, ...], lead_ns: int, path: Path | None = None) -> None:
        """Lay out the board in memory, or at `path` for the processes of one machine."""
        self.partitions = partitions
        self.row = {name: number for number, name in enumerate(sorted(partitions))}
        self.lead_ns = lead_ns
        self.path = path
        self.cells = self._cells()

    def _cells(self) -> "np.ndarray[tuple[int, int], np.dtype[np.int64]]":
        shape = (len(self.row), COLUMNS)
        if self.path is None:
            return fresh(shape)
        if not self.path.exists():
            self.path.write_bytes(fresh(shape).tobytes())
        # a plain array over the file: each look at a memmap costs microseconds more
        return np.asarray(np.memmap(self.path, np.int64, "r+", shape=shape))

    def reset(self) -> None:
        """Forget everything: all begin anew."""
        self.cells[:] = fresh(self.cells.shape)

    def update(self, partition: str, log_ns: int, records: int) -> None:
        """Say how far a partition has come."""
        self.cells[self.row[partition]] = log_ns, records, 0

    def set_idle(self, partition: str) -> None:
        """Say that all there is has been read."""
        self.cells[self.row[partition], 2] = IDLE

    def is_idle(self, partition: str) -> bool:
        """Has all there is been read, as far as anyone knows?"""
        return bool(self.cells[self.row[partition], 2] == IDLE)

    def is_ahead(self, partition: str) -> bool:
        """Is this partition so far ahead of the slowest that it should wait?"""
        reached = self.log_ns_of(partition)
        return reached not in (START, END) and reached > self.min_log_ns() + self.lead_ns

    def log_ns_of(self, partition: str) -> int:
        """Log time that a partition has reached."""
        return int(self.cells[self.row[partition], 0])

    def min_log_ns(self) -> int:
        """Log time that every partition has reached."""
        return int(self.cells[:, 0].min())

    def records(self) -> int:
        """Records read of all partitions."""
        return int(self.cells[:, 1].sum())
