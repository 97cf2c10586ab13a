"""The progress of a run, as one line of text.

replay   37 %, 1,234,567 records, 410,000/s, 0:14 left, log time 2024-08-09 12:30:00
run      1,234,567 records, 2,400/s, 0.1 s behind (coinbase-0), log time 2026-08-09 12:30:00

The rate is that of the last seconds, without the time in which kernels were compiled.
"""

import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from tapeflow.connectors.source.progress import Progress
from tapeflow.engine.threads import PeriodicThread
from tapeflow.schemas.notify import Notify
from tapeflow.schemas.time import MAX_NS, MIN_NS

EVERY_S = 0.5
WINDOW_S = 3.0  # of the rate
PATIENCE_S = 3.0  # before a partition without a record is named
COMPILING = "compiling kernels, once"


class Sample(NamedTuple):
    """What was read at one moment."""

    at_s: float
    records: int
    share: float


@contextmanager
def showing_progress(progress: Progress, show: Notify, *, live: bool = False) -> Iterator[None]:
    """Pass a line of progress to `show` every EVERY_S inside the `with` block, and "" at its end.

    `live`: the log has no end, and its lag is shown.
    """
    line = ProgressLine(progress, live=live)
    try:
        with PeriodicThread(lambda: show(line.text(time.monotonic(), time.time_ns())), EVERY_S):
            yield
    finally:
        show("")


class ProgressLine:
    """Makes the line from what it has seen over the last seconds."""

    def __init__(self, progress: Progress, *, live: bool) -> None:
        """Watch the progress of a run; `live`: of one that follows a log without end."""
        self.progress, self.live = progress, live
        self.samples: deque[Sample] = deque()
        self.began_s: float | None = None

    def text(self, now_s: float, wall_ns: int) -> str:
        """Return the line at a moment: `now_s` of a clock that never jumps, `wall_ns` of UTC."""
        progress = self.progress
        if self.began_s is None:
            self.began_s = now_s
        if progress.is_compiling():
            self.samples.clear()
            return COMPILING
        records, slowest = progress.records(), self._slowest()
        if not records:
            return "starting"
        reached_ns = progress.log_ns_of(slowest)
        share = progress.share()
        self._add(Sample(now_s, records, share or 0.0))
        if reached_ns == MAX_NS:
            return f"{records:,} records, the end of the log: finishing"
        parts = [f"{records:,} records", *self._rate()]
        if share is not None:
            parts.insert(0, f"{100 * share:.0f} %")
            parts += self._time_left()
        if reached_ns == MIN_NS:
            if now_s - self.began_s > PATIENCE_S:
                parts.append(f"no record of {slowest} yet")
            return ", ".join(parts)
        if self.live:
            parts.append(f"{max(wall_ns - reached_ns, 0) / 1e9:,.1f} s behind ({slowest})")
        return ", ".join([*parts, f"log time {format_log_time(reached_ns)}"])

    def _slowest(self) -> str:
        return min(self.progress.partitions, key=self.progress.log_ns_of)

    def _add(self, sample: Sample) -> None:
        """Remember a sample, and one that is at least WINDOW_S older."""
        if self.samples and sample.records < self.samples[-1].records:
            self.samples.clear()  # all processes have started again
        self.samples.append(sample)
        while len(self.samples) > 2 and sample.at_s - self.samples[1].at_s >= WINDOW_S:
            self.samples.popleft()

    def _rate(self) -> list[str]:
        first, last = self.samples[0], self.samples[-1]
        if first is last:
            return []
        return [f"{(last.records - first.records) / max(last.at_s - first.at_s, 1e-9):,.0f}/s"]

    def _time_left(self) -> list[str]:
        first, last = self.samples[0], self.samples[-1]
        if not first.share < last.share < 1:
            return []
        left_s = (1 - last.share) * (last.at_s - first.at_s) / (last.share - first.share)
        return [f"{format_clock(left_s)} left"]


def format_log_time(log_ns: int) -> str:
    """Return a log time to the second, in UTC."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(log_ns // 10**9))


def format_clock(seconds: float) -> str:
    """Return a duration as a clock shows it.

    >>> format_clock(14.2), format_clock(3725)
    ('0:15', '1:02:05')
    """
    whole = -int(-seconds // 1)
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
