"""The log as a Bytewax source: partitions of tapes or of topics, one page per poll.

    reader --Page--> LogPartition --(state key, Page)--> flow

This part is common to all kinds of log: waiting for slower partitions, stopping, and the end of a
finite log, which is one more page, empty and with `end_of_log`. The engine's own end of input is
not that end, because it comes with a stop as well.
"""

from collections.abc import Mapping
from datetime import datetime
from threading import Event, local
from time import monotonic
from typing import Any, ClassVar

import numpy as np
from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition

from tapeflow.connectors.source.polling import (
    AT_ONCE,
    BUSY_S,
    BUSY_WINDOW_S,
    IDLE_S,
    Pages,
    Polls,
)
from tapeflow.connectors.source.progress import Progress
from tapeflow.connectors.source.reader import ReaderFactory, extent_of, is_proven
from tapeflow.connectors.source.replay_clock import ReplayClock
from tapeflow.engine.errors import capture_close_errors, capture_errors
from tapeflow.engine.threads import keep_thread_state
from tapeflow.schemas.batches import PADDING, Page
from tapeflow.schemas.errors import TapeflowError
from tapeflow.schemas.time import MAX_NS, MIN_NS

SILENCE_S = 1.0  # so long a partition that is ahead waits for others that have nothing to read
STOP_CHECK_S = 0.1  # at most between two checks of STOP_REQUESTED
STOP_REQUESTED = Event()  # set by the process's signal handlers: stop reading, keep all state


class LogSource(FixedPartitionedSource[tuple[str, Page], Any]):
    """The source of a flow: every partition of its log."""

    VERSION: ClassVar[int] = 4  # of a partition's snapshot

    def __init__(
        self,
        partitions: Mapping[str, ReaderFactory],
        keys: Mapping[str, str],
        progress: Progress,
        clock: ReplayClock | None = None,
        *,
        end_is_final: bool = True,
        follows: bool = False,
    ) -> None:
        """Read `partitions`, whose order decides the worker; items carry the state key in `keys`.

        With a `clock` a page waits until it is due. Where the end of the log is not final, a state
        at the end of a partition reads what was added since. `follows`: the log has no end.
        """
        self.end_is_final, self.follows = end_is_final, follows
        self.partitions = partitions
        self.keys = keys
        self.progress = progress
        self.clock = clock
        self.pages = Pages()
        self._of_thread = local()

    def polls(self) -> Polls:
        """Return the polls of the calling worker's partitions."""
        if not hasattr(self._of_thread, "polls"):
            self._of_thread.polls = Polls(self.pages)
        polls: Polls = self._of_thread.polls
        return polls

    def list_parts(self) -> list[str]:
        """Name the partitions by index: the engine assigns them to workers in order of name."""
        return [f"{index:04d} {name}" for index, name in enumerate(self.partitions)]

    @capture_errors
    def build_part(self, step_id: str, for_part: str, resume_state: Any) -> "LogPartition":
        """Open one partition at its beginning, or at its snapshot."""
        keep_thread_state()
        return LogPartition(self, for_part.partition(" ")[2], resume_state)


class LogPartition(StatefulSourcePartition[tuple[str, Page], Any]):
    """One partition of the source."""

    def __init__(self, source: LogSource, name: str, state: Any) -> None:
        self.name, self.key = name, source.keys[name]
        self.progress, self.clock, self.follows = source.progress, source.clock, source.follows
        self.done, self.next_offset, self.log_ns, position = False, 0, MIN_NS, None
        if state is not None:
            version, self.done, self.next_offset, self.log_ns, position = state
            if version != LogSource.VERSION:
                raise TapeflowError(
                    f"partition {name}: the source's state is of version {version}, this is "
                    f"{LogSource.VERSION}: start with a fresh --state"
                )
            self.done = self.done and source.end_is_final
        self.reader = source.partitions[name](position)
        self.position = position  # after the last page sent, unless it `has_moved`
        self.has_moved = False
        self.held_page: Page | None = None  # read, but not due yet
        self.pages, self.polls = source.pages, source.polls()
        self.read_at = 0.0  # monotonic time of the last page
        self.silent_since = monotonic()  # while it waits: since when the slower ones are idle
        self._update_progress()
        self.progress.set_opened(name)

    @capture_errors
    def next_batch(self) -> list[tuple[str, Page]]:
        """Return the next page; nothing if there is none now, it is not due, or others lag."""
        if STOP_REQUESTED.is_set():
            raise StopIteration
        if not self.polls.is_due(self.name):
            return []
        if self.done:
            if is_proven(self.reader):
                raise StopIteration
            return self._idle()
        if self._must_wait():
            self.progress.check_opened()
            return self._idle()
        if self.clock is not None:
            self._take_position()  # the reader may be one page ahead: a page that is not due
        page = self.held_page or self.reader.read()
        if page is None and not self.reader.ended:
            self.progress.set_idle(self.name)
            busy = monotonic() - self.read_at < BUSY_WINDOW_S
            return self._idle(BUSY_S if busy else IDLE_S)
        if page is None:
            self.done = True
            page = end_page(self.name, self.next_offset)
        elif self.clock is not None and (due_s := self.clock.seconds_until_due(page)) > 0:
            self.held_page = page
            return self._idle(min(due_s, STOP_CHECK_S))
        else:
            self.held_page = None
            self.log_ns = int(page.log_ns[-1])
        self.read_at = self.pages.read_at_s = monotonic()
        self.polls.delay(self.name, 0)
        self.next_offset = page.next_offset
        self.has_moved = True
        self._update_progress()
        return [(self.key, page)]

    def _must_wait(self) -> bool:
        """Return whether the partition is too far ahead of the others.

        Where topics are followed, it does not wait for those that have been silent for SILENCE_S.
        """
        ahead, now = self.progress.is_ahead(self.name), monotonic()
        if not ahead or not self.progress.slower_are_idle(self.name):
            self.silent_since = now
        return ahead and not (self.follows and now - self.silent_since > SILENCE_S)

    def _idle(self, wait_s: float = IDLE_S) -> list[tuple[str, Page]]:
        self.polls.delay(self.name, wait_s)
        return []

    def _update_progress(self) -> None:
        self.progress.update(self.name, MAX_NS if self.done else self.log_ns, self.next_offset)
        self.progress.set_extent(self.name, *extent_of(self.reader))

    def next_awake(self) -> datetime:
        """Return when to call again: always at once, as the wait is in `next_batch`."""
        return AT_ONCE

    def snapshot(self) -> Any:
        """Return where to resume: version, done, next offset, log time, the reader's position."""
        self._take_position()
        return (LogSource.VERSION, self.done, self.next_offset, self.log_ns, self.position)

    def _take_position(self) -> None:
        """Take the reader's position after the page sent, only where it is needed: it costs."""
        if self.has_moved and self.held_page is None:
            self.position, self.has_moved = self.reader.position(), False

    @capture_close_errors
    def close(self) -> None:
        """Close the reader's files and connections."""
        self.polls.forget(self.name)
        self.reader.close()


def end_page(partition: str, offset: int) -> Page:
    """Return the page that ends a finite log at `offset`: no records, and `end_of_log`."""
    empty = np.empty(0, np.int64)
    return Page(
        partition, offset, empty, empty, empty, np.zeros(PADDING, np.uint8), end_of_log=True
    )
