"""Watching a run that follows its log: which partition holds the others, for how long.

    binance-0    ...|          12:00:09.8
    coinbase-0   .|            12:00:05.1   holds the desk for 4.7 s: said, and on a gauge

The desk decides only what every partition has progressed past, so one silent partition stops all.
"""

import threading
import time
from collections.abc import Callable

from prometheus_client import Gauge

from tapeflow.connectors.source.progress import START, Progress

LOOK_S = 0.25
BEHIND = Gauge(
    "tapeflow_partition_behind_seconds",
    "How long a partition has held the desk, in wall time; 0 where it does not",
    ["partition"],
)


class Watch:
    """Looks at the board while it is entered, and says what it sees once for each silence."""

    def __init__(self, board: Progress, quiet_ns: int, say: Callable[[str], None]) -> None:
        """Name a partition that holds the others for longer than `quiet_ns`."""
        self.board, self.quiet_s, self.say = board, quiet_ns / 1e9, say
        self.seen = dict.fromkeys(board.partitions, START)  # where each was
        self.since = dict.fromkeys(board.partitions, time.monotonic())  # and since when
        self.named: set[str] = set()
        self.done = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Watch":
        self.thread.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self.done.set()
        self.thread.join()

    def _run(self) -> None:
        while not self.done.wait(LOOK_S):
            self.look(time.monotonic())

    def look(self, now: float) -> None:
        """Look once; `now` in seconds. Silence counts from when the first partition was read."""
        if max(self.seen.values()) == START:
            self.since = dict.fromkeys(self.since, now)
        for name in self.board.partitions:
            reached = self.board.log_ns_of(name)
            if reached != self.seen[name]:
                self.seen[name], self.since[name] = reached, now
                self.named.discard(name)
        front, last = max(self.seen.values()), min(self.seen.values())
        for name, reached in self.seen.items():
            # The last one holds; who stands between may itself be held back.
            held = reached == last and front - last > self.quiet_s * 1e9
            waited = now - self.since[name] if held else 0.0
            BEHIND.labels(name).set(waited)
            if waited > self.quiet_s and name not in self.named:
                self.named.add(name)
                self.say(
                    f"partition {name} holds the desk: silent for {waited:.1f} s while others have "
                    "gone on; write heartbeats into it, or run with --keep-time"
                )
