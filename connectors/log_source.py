"""The log as a Bytewax source: partitions of tapes or topics, one page a poll, behind one door.

    reader --Page--> partition --(state key, Page)--> flow

What is the same for every kind of log stands here: holding back, stopping, and the end of a finite
log, which is said by one more page, empty and with `end` set; the engine's own end of input says
nothing, as a stop is no end.
"""

import ctypes
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from threading import Event
from time import monotonic
from typing import Any, Protocol

import numpy as np
from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition

from connectors.board import END, START, Board
from connectors.pace import Pace
from schemas.errors import closing, witnessed
from schemas.pages import PADDING, Page

STATE_VERSION = 2
IDLE_S = 0.001
SOON_S = 0.0002  # between looks while records keep coming: a live tick waits half of it
LIVELY_S = 0.05  # after a page
LONGEST_S = 0.1  # between looks at whether to stop
STOP = Event()  # set by the signal handlers of the process: stop reading, keep all state


class Reader(Protocol):
    """One partition of a log, read forward."""

    ended: bool  # nothing will ever come after what was read

    def read(self) -> Page | None:
        """The next records, or None if there are none now."""

    def position(self) -> Any:
        """Where to go on after a restart: a plain value."""

    def close(self) -> None:
        """Let go of files and connections."""


Open = Callable[[Any], Reader]  # position, or None for the beginning -> reader


class LogSource(FixedPartitionedSource[tuple[str, Page], Any]):
    """Every partition of the job."""

    def __init__(
        self,
        partitions: Mapping[str, Open],
        keys: Mapping[str, str],
        board: Board,
        pace: Pace | None = None,
    ) -> None:
        """Read `partitions`, in the order of their turns; items carry the state key in `keys`."""
        self.partitions = partitions
        self.keys = keys
        self.board = board
        self.pace = pace

    def list_parts(self) -> list[str]:
        """The partitions by turn: the engine deals them to the workers in the order of names."""
        return [f"{turn:04d} {name}" for turn, name in enumerate(self.partitions)]

    @witnessed
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
        self.early: Page | None = None  # read, but not due yet
        self.idle_s = 0.0
        self.read_at = 0.0  # when the last page came
        self._post()

    @witnessed
    def next_batch(self) -> list[tuple[str, Page]]:
        """One page, or nothing if there is none now, or others must catch up, or it is not due."""
        if self.done or STOP.is_set():
            raise StopIteration
        self.idle_s = 0.0
        if self.board.is_ahead(self.name):
            return self._nothing()
        page = self.early or self.reader.read()
        if page is None and not self.reader.ended:
            self.board.post_idle(self.name)
            lively = monotonic() - self.read_at < LIVELY_S
            return self._nothing(SOON_S if lively else IDLE_S)
        if page is None:
            self.done = True
            page = end_page(self.name, self.next_offset)
        elif self.pace is not None and (wait_s := self.pace.wait_s(page)) > 0:
            self.early = page
            return self._nothing(min(wait_s, LONGEST_S))
        else:
            self.early = None
            self.log_ns = int(page.log_ns[-1])
        self.read_at = monotonic()
        self.next_offset = page.hi
        self.position = self.reader.position()
        self._post()
        return [(self.key, page)]

    def _nothing(self, wait_s: float = IDLE_S) -> list[tuple[str, Page]]:
        self.idle_s = wait_s
        return []

    def _post(self) -> None:
        self.board.post(self.name, END if self.done else self.log_ns, self.next_offset)

    def next_awake(self) -> datetime | None:
        """At once after a page; a moment later after none."""
        return datetime.now(UTC) + timedelta(seconds=self.idle_s) if self.idle_s else None

    def snapshot(self) -> Any:
        """Where to go on."""
        return (STATE_VERSION, self.done, self.next_offset, self.log_ns, self.position)

    @closing
    def close(self) -> None:
        """Let go of files and connections."""
        self.reader.close()


def keep_thread_state() -> None:
    """Let this thread keep what Python knows of it.

    The engine's threads are strangers to Python: at each of some fifty visits a page it would map
    memory for them, and unmap it when they leave, which interrupts all other processors. What is
    kept of a thread that has ended is freed with the process.
    """
    ctypes.pythonapi.PyGILState_Ensure()


def end_page(partition: str, offset: int) -> Page:
    """Say in the log's own words that nothing comes after `offset`."""
    none = np.empty(0, np.int64)
    return Page(partition, offset, none, none, none, np.zeros(PADDING, np.uint8), end=True)
