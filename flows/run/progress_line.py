"""The progress of a run, shown on one line of the terminal.

1,234,567 records, 410,000/s, log time 2024-08-09 12:30:00
"""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tapeflow.connectors.source.progress import Progress
from tapeflow.engine.threads import PeriodicThread
from tapeflow.schemas.notify import Notify
from tapeflow.schemas.time import MAX_NS, MIN_NS

EVERY_S = 0.5


@contextmanager
def showing_progress(progress: Progress, show: Notify) -> Iterator[None]:
    """Pass a line of progress to `show` every EVERY_S inside the `with` block."""
    began = time.monotonic()
    with PeriodicThread(lambda: show(progress_line(progress, time.monotonic() - began)), EVERY_S):
        yield


def progress_line(progress: Progress, seconds: float) -> str:
    """Return records read, their rate over `seconds`, and the log time all partitions reached."""
    min_log_ns = progress.min_log_ns()
    if min_log_ns == MIN_NS:
        return "starting"
    moment = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(min_log_ns // 10**9))
    reached = "the end" if min_log_ns == MAX_NS else moment
    records = progress.records()
    return f"{records:,} records, {records / seconds:,.0f}/s, log time {reached}"


def show_progress(text: str) -> None:
    """Write progress to standard error, over the line before, where that is a terminal."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{text}")
        sys.stderr.flush()
