"""When the partitions of a worker are polled again, by a clock that nobody sets.

    p0    poll ........ poll ........ poll        its next poll is due after each `...`
    p1    page page poll ... poll ... poll
    worker            sleep   sleep   sleep       only while nothing is due

The engine would wait until a time, but by the wall clock: where that is set back by a minute, it
reads nothing for a minute. So `next_awake` always returns a time that is past, and the worker waits
here.
"""

from datetime import UTC, datetime
from time import monotonic, sleep

AT_ONCE = datetime(1970, 1, 1, tzinfo=UTC)  # for the engine: in the past, on any clock
IDLE_S = 0.001  # between polls of a partition that has had nothing for a while
BUSY_S = 0.0002  # between polls while records keep coming: a live tick waits half of it
BUSY_WINDOW_S = 0.05  # for so long after a page a partition counts as busy


class Pages:
    """When the last page of any partition of this process was read."""

    def __init__(self) -> None:
        self.read_at_s = 0.0  # monotonic


class Polls:
    """The next polls of the partitions of one worker; all times are monotonic seconds."""

    def __init__(self, pages: Pages) -> None:
        self.pages = pages
        self.due_s: dict[str, float] = {}  # by partition

    def is_due(self, name: str) -> bool:
        """Return whether to poll a partition now; sleep for a moment while none is due.

        The moment is short: what other workers send is worked on after it.
        """
        now_s = monotonic()
        if self.due_s.setdefault(name, now_s) <= now_s:
            return True
        wait_s = min(self.due_s.values()) - now_s
        if wait_s <= 0:
            return False
        busy = now_s - self.pages.read_at_s < BUSY_WINDOW_S
        sleep(min(wait_s, BUSY_S if busy else IDLE_S))
        return self.due_s[name] <= monotonic()

    def delay(self, name: str, wait_s: float) -> None:
        """Poll a partition again after `wait_s`; 0: at once."""
        self.due_s[name] = monotonic() + wait_s if wait_s else 0.0

    def forget(self, name: str) -> None:
        """Poll a partition no more."""
        self.due_s.pop(name, None)
