"""The log as a Bytewax source: partitions of tapes or topics, one page a poll, behind one door.

    reader --Page--> partition --(state key, Page)--> flow

What is the same for every kind of log stands here: holding back, stopping, and the end of a finite
log, which is said by one more page, empty and with `end` set; the engine's own end of input says
nothing, as a stop is no end.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from threading import Event
from time import monotonic
from typing import Any, Protocol

import numpy as np
from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition

from tapeflow.connectors.source.progress import END, START, Progress
from tapeflow.connectors.source.replay_clock import ReplayClock
from tapeflow.engine.errors import capture_close_errors, capture_errors
from tapeflow.engine.threads import keep_thread_state
from tapeflow.schemas.batches import PADDING, Page

STATE_VERSION = 2
IDLE_S = 0.001
POLL_BUSY_S = 0.0002  # between looks while records keep coming: a live tick waits half of it
BUSY_WINDOW_S = 0.05  # after a page
STOP_CHECK_S = 0.1  # between looks at whether to stop
STOP_REQUESTED = Event()  # set by the signal handlers of the process: stop reading, keep all state


class Reader(Protocol):
    """One partition of a log, read forward."""

    ended: bool  # nothing will ever come after what was read

    def read(self) -> Page | None:
        """The next records, or None if there are none now."""

    def position(self) -> Any:
        """Where to go on after a restart: a plain value."""

    def close(self) -> None:
        """Let go of files and connections."""


ReaderFactory = Callable[[Any], Reader]  # position, or None for the beginning -> reader


class LogSource(FixedPartitionedSource[tuple[str, Page], Any]):
    """Every partition of the job."""

    def __init__(
        self,
        partitions: Mapping[str, ReaderFactory],
        keys: Mapping[str, str],
        board: Progress,
        pace: ReplayClock | None = None,
    ) -> None:
        """Read `partitions`, in the order of their turns; items carry the state key in `keys`."""
        self.partitions = partitions
        self.keys = keys
        self.board = board
        self.pace = pace

    def list_parts(self) -> list[str]:
        """The partitions by turn: the engine deals them to the workers in the order of names."""
        return [f"{turn:04d} {name}" for turn, name in enumerate(self.partitions)]

    @capture_errors
    def build_part(self, step_id: str, for_part: str, resume_state: Any) -> "LogPartition":
        """Open one partition, at its beginning or where it was."""
        keep_thread_state()
        return LogPartition(self, for_part.partition(" ")[2], resume_state)


class LogPartition(StatefulSourcePartition[tuple[str, Page], Any]):
    """One partition being read."""

    def __init__(self, source: LogSource, name: str, state: Any) -> None:
        self.name, self.key = name, source.keys[name]
        self.board, self.pace = source.board, source.pace
        self.done, self.next_offset, self.log_ns, position = False, 0, START, None
        if state is not None:
            version, self.done, self.next_offset, self.log_ns, position = state
            assert version == STATE_VERSION, f"source state of version {version}"
        self.reader = source.partitions[name](position)
        self.position = position  # behind the last page given; the reader may be a page ahead
        self.held_page: Page | None = None  # read, but not due yet
        self.idle_s = 0.0
        self.read_at = 0.0  # when the last page came
        self._post()

    @capture_errors
    def next_batch(self) -> list[tuple[str, Page]]:
        """One page, or nothing if there is none now, or others must catch up, or it is not due."""
        if self.done or STOP_REQUESTED.is_set():
            raise StopIteration
        self.idle_s = 0.0
        if self.board.is_ahead(self.name):
            return self._idle()
        page = self.held_page or self.reader.read()
        if page is None and not self.reader.ended:
            self.board.set_idle(self.name)
            lively = monotonic() - self.read_at < BUSY_WINDOW_S
            return self._idle(POLL_BUSY_S if lively else IDLE_S)
        if page is None:
            self.done = True
            page = end_page(self.name, self.next_offset)
        elif self.pace is not None and (seconds_until_due := self.pace.seconds_until_due(page)) > 0:
            self.held_page = page
            return self._idle(min(seconds_until_due, STOP_CHECK_S))
        else:
            self.held_page = None
            self.log_ns = int(page.log_ns[-1])
        self.read_at = monotonic()
        self.next_offset = page.next_offset
        self.position = self.reader.position()
        self._post()
        return [(self.key, page)]

    def _idle(self, wait_s: float = IDLE_S) -> list[tuple[str, Page]]:
        self.idle_s = wait_s
        return []

    def _post(self) -> None:
        self.board.update(self.name, END if self.done else self.log_ns, self.next_offset)

    def next_awake(self) -> datetime | None:
        """At once after a page; a moment later after none."""
        return datetime.now(UTC) + timedelta(seconds=self.idle_s) if self.idle_s else None

    def snapshot(self) -> Any:
        """Where to go on."""
        return (STATE_VERSION, self.done, self.next_offset, self.log_ns, self.position)

    @capture_close_errors
    def close(self) -> None:
        """Let go of files and connections."""
        self.reader.close()


def end_page(partition: str, offset: int) -> Page:
    """Say in the log's own words that nothing comes after `offset`."""
    none = np.empty(0, np.int64)
    return Page(partition, offset, none, none, none, np.zeros(PADDING, np.uint8), end_of_log=True)
