"""Replay at a chosen speed against log time: a page is due when its last record would have come.

log time    |--- page ---|            60x: a minute of log a second
wall time   |-|<- due
"""

import threading
import time

from tapeflow.schemas.batches import Page


class ReplayClock:
    """One clock for all partitions of a process: it starts at the first page anyone reads."""

    def __init__(self, speed: float) -> None:
        """Go `speed` times as fast as the log was written."""
        self.speed = speed
        self.lock = threading.Lock()
        self.origin: tuple[float, int] | None = None  # wall seconds, log ns

    def seconds_until_due(self, page: Page) -> float:
        """Seconds until a page is due; it is where that is not above zero."""
        with self.lock:
            if self.origin is None:
                self.origin = time.monotonic(), int(page.log_ns[0])
            wall, log_ns = self.origin
        passed = (int(page.log_ns[-1]) - log_ns) / 1e9 / self.speed
        return wall + passed - time.monotonic()
