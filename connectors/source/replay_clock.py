"""Replay at a multiple of log time: a page is due when its last record would have been written.

log time    |--- page ---|            60x: a minute of log in one second
wall time   |-|<- due
"""

import threading
import time

from tapeflow.schemas.batches import Page


class ReplayClock:
    """One clock for all partitions of a process; it starts at the first page that is read."""

    def __init__(self, speed: float) -> None:
        """Replay `speed` times as fast as the log was written."""
        self.speed = speed
        self.lock = threading.Lock()
        self.origin: tuple[float, int] | None = None  # monotonic wall time (s), log time (ns)

    def seconds_until_due(self, page: Page) -> float:
        """Return how many seconds remain until a page is due; not above zero once it is."""
        with self.lock:
            if self.origin is None:
                self.origin = time.monotonic(), int(page.log_ns[0])
            origin_s, origin_ns = self.origin
        elapsed_s = (int(page.log_ns[-1]) - origin_ns) / 1e9 / self.speed
        return origin_s + elapsed_s - time.monotonic()
