"""Read progress of each partition: fast ones wait for slow ones, and the user can see it.

    binance-0   |=========>         |      max_lead = 2 s of log time
    coinbase-0  |====>  |                  binance-0 waits until coinbase-0 has caught up

No step reads it, so no result depends on it. If a cell is stale, a partition waits a little longer.
"""

import time
from pathlib import Path

import numpy as np

from tapeflow.schemas.errors import TapeflowError
from tapeflow.schemas.time import MAX_NS, MIN_NS

# The columns of a partition: log time reached (ns), records read, IDLE while there is nothing to
# read, how long it has held the others (ns), and how much of it is read: bytes or records, of all.
LOG_NS, RECORDS, STATUS, BEHIND_NS, DONE, TOTAL = range(6)
COLUMNS = 6
IDLE, OPENED = 1, 2  # STATUS
UNSEEN_MAX_S = 15.0  # until every partition is opened, where processes wait for each other
# The columns of a process: since when it compiles (ns, 0: it does not), and for how long it has.
SINCE_NS, SPENT_NS = range(2)

Cells = np.ndarray[tuple[int, int], np.dtype[np.int64]]


def initial_cells(partitions: int, processes: int) -> Cells:
    """Return cells of partitions that have not been read yet, and of the processes below them."""
    cells = np.zeros((partitions + processes, COLUMNS), np.int64)
    cells[:partitions, LOG_NS] = MIN_NS
    return cells


class Progress:
    """Read progress: one row per partition, each written by the one worker that reads it."""

    def __init__(
        self,
        partitions: tuple[str, ...],
        lead_ns: int,
        path: Path | None = None,
        processes: int = 1,
    ) -> None:
        """Lay out the rows in memory, or in the file `path` that processes of a machine share.

        A partition more than `lead_ns` of log time ahead of the slowest is to wait.
        """
        self.partitions = partitions
        self.row = {name: number for number, name in enumerate(sorted(partitions))}
        self.lead_ns = lead_ns
        self.path = path
        self.initial = initial_cells(len(self.row), processes)
        self.all_cells = self._cells()
        self.cells, self.processes = np.split(self.all_cells, [len(self.row)])
        self.restarts = 0  # of all processes; counted by the supervisor, for itself
        self.restart_cause = ""  # of the last one
        self.pids: tuple[int, ...] = ()  # of the processes, where there is a supervisor
        self.waiting_since: float | None = None  # monotonic time, s

    def _cells(self) -> Cells:
        if self.path is None:
            return self.initial.copy()
        if not self.path.exists():
            self.path.write_bytes(self.initial.tobytes())
        # a plain array over the file: each access through np.memmap costs microseconds more
        return np.asarray(np.memmap(self.path, np.int64, "r+", shape=self.initial.shape))

    def reset(self) -> None:
        """Set every partition back to its beginning."""
        self.all_cells[:] = self.initial

    def update(self, partition: str, log_ns: int, records: int) -> None:
        """Write the log time that a partition has reached, and how many of its records are read."""
        self.cells[self.row[partition], : STATUS + 1] = log_ns, records, 0

    def set_extent(self, partition: str, done: int, total: int) -> None:
        """Write how much of a partition is read, and how much there is: bytes, or records."""
        self.cells[self.row[partition], DONE:] = done, total

    def set_idle(self, partition: str) -> None:
        """Mark a partition as read to where its log ends now."""
        self.cells[self.row[partition], STATUS] = IDLE

    def set_behind(self, partition: str, ns: int) -> None:
        """Write for how long a partition has held the others, in wall time."""
        self.cells[self.row[partition], BEHIND_NS] = ns

    def set_compiling(self, process: int, compiling: bool) -> None:
        """Write that a process begins or ends to compile kernels."""
        row, now_ns = self.processes[process], time.monotonic_ns()
        if row[SINCE_NS]:
            row[SPENT_NS] += now_ns - row[SINCE_NS]
        row[SINCE_NS] = now_ns if compiling else 0

    def is_compiling(self) -> bool:
        """Return whether a process compiles kernels now."""
        return bool(self.processes[:, SINCE_NS].any())

    def compiling_s(self) -> float:
        """Return for how long kernels were compiled: by the process that took the longest."""
        return float(self.processes[:, SPENT_NS].max()) / 1e9

    def set_opened(self, partition: str) -> None:
        """Mark a partition as opened: its first record may come much later."""
        self.cells[self.row[partition], STATUS] = OPENED

    def find_unopened(self) -> list[str]:
        """Return the partitions that no process has opened."""
        same = (self.cells == self.initial[: len(self.row)]).all(axis=1)
        return [name for name, row in self.row.items() if same[row]]

    def check_opened(self) -> None:
        """Check, while a partition waits, that all partitions are opened by some process.

        Raises TapeflowError where one is not for UNSEEN_MAX_S: its process writes another file.
        """
        unopened = self.find_unopened()
        if self.path is None or not unopened:
            self.waiting_since = None
            return
        self.waiting_since = self.waiting_since or time.monotonic()
        if time.monotonic() - self.waiting_since > UNSEEN_MAX_S:
            raise TapeflowError(
                f"nobody reads {', '.join(unopened)} for {UNSEEN_MAX_S:g} s, by {self.path}: the "
                "processes of a cluster must share the folder of the results"
            )

    def is_idle(self, partition: str) -> bool:
        """Return whether a partition had nothing more to read when it was last polled."""
        return bool(self.cells[self.row[partition], STATUS] == IDLE)

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
        return int(self.cells[self.row[partition], LOG_NS])

    def records_of(self, partition: str) -> int:
        """Return how many records of a partition have been read."""
        return int(self.cells[self.row[partition], RECORDS])

    def behind_s_of(self, partition: str) -> float:
        """Return for how long a partition has held the others, in wall time; 0 if it does not."""
        return float(self.cells[self.row[partition], BEHIND_NS]) / 1e9

    def min_log_ns(self) -> int:
        """Return the log time that every partition has reached."""
        return int(self.cells[:, LOG_NS].min())

    def records(self) -> int:
        """Return how many records of all partitions have been read."""
        return int(self.cells[:, RECORDS].sum())

    def share(self) -> float | None:
        """Return how much of the log is read, from 0 to 1; None where its end is not known."""
        done, total = self.cells[:, DONE], self.cells[:, TOTAL]
        return float(done.sum() / total.sum()) if total.sum() else None
