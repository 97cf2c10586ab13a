"""Watches a live run: names the partition that the others wait for, and measures for how long.

    binance-0    ...|          12:00:09.8
    coinbase-0   .|            12:00:05.1   holds the desk for 4.7 s: a message, and a metric

The desk processes only what is below the horizon, so one silent partition stops everything.
"""

import time

from tapeflow.connectors.source.progress import Progress
from tapeflow.engine.threads import PeriodicThread
from tapeflow.schemas.notify import WARNING, Notice, Notify
from tapeflow.schemas.time import MIN_NS

LOOK_S = 0.25


class StallWatch(PeriodicThread):
    """Checks the progress of partitions inside a `with` block; notifies once of each silence."""

    def __init__(self, progress: Progress, quiet_ns: int, notify: Notify) -> None:
        """Prepare to name partitions that hold the desk for longer than `quiet_ns`."""
        super().__init__(lambda: self.look(time.monotonic()), LOOK_S)
        self.progress, self.quiet_s, self.notify = progress, quiet_ns / 1e9, notify
        self.seen = dict.fromkeys(progress.partitions, MIN_NS)  # log time (ns) of each
        self.since = dict.fromkeys(progress.partitions, time.monotonic())  # s, since when
        self.named: set[str] = set()

    def look(self, now: float) -> None:
        """Check once, at `now` (s, monotonic). Silence counts from the first record on."""
        if max(self.seen.values()) == MIN_NS:
            self.since = dict.fromkeys(self.since, now)
        for name in self.progress.partitions:
            reached = self.progress.log_ns_of(name)
            if reached != self.seen[name]:
                self.seen[name], self.since[name] = reached, now
                self.named.discard(name)
        front, last = max(self.seen.values()), min(self.seen.values())
        for name, reached in self.seen.items():
            # The last one holds; one between it and the front may itself be held back.
            holds = reached == last and front - last > self.quiet_s * 1e9
            waited_s = now - self.since[name] if holds else 0.0
            self.progress.set_behind(name, int(waited_s * 1e9))
            if waited_s > self.quiet_s and name not in self.named:
                self.named.add(name)
                line = (
                    f"partition {name} holds the desk: silent for {waited_s:.1f} s while others "
                    "have gone on; write heartbeats into it, or run with --heartbeats"
                )
                self.notify(Notice(line, "stalled", WARNING, partition=name, silent_s=waited_s))
