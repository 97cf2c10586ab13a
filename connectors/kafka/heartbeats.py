"""Heartbeats for topics that other producers fill, so that nothing waits for a quiet partition.

    binance-0   r r   r r     r
    coinbase-0  r . . h . . h . . h r        h: an empty record, written after so much silence

They are records of the log like any other, so a replay reads them too. The log time of a heartbeat
is the wall time at which it is written; where the clock is set back, it goes on as it was before,
as a partition's log time never goes back.
"""

import time
from collections.abc import Callable, Mapping
from contextlib import suppress

from tapeflow.connectors.kafka.sink import ReliableProducer
from tapeflow.connectors.source.progress import Progress
from tapeflow.engine.threads import PeriodicThread
from tapeflow.schemas.errors import TapeflowError
from tapeflow.schemas.notify import Notify
from tapeflow.schemas.time import NS_PER_MS

STEP_NS = 1_000_000_000  # a smaller step of the clock is followed


class HeartbeatWriter(PeriodicThread):
    """Writes heartbeats into quiet partitions inside a `with` block."""

    def __init__(
        self,
        make_producer: Callable[[], ReliableProducer],
        partitions: Mapping[str, tuple[str, int]],
        progress: Progress,
        every_ns: int,
        notify: Notify,
    ) -> None:
        """Write into each of `partitions` (topic, number) that was silent for `every_ns`."""
        super().__init__(self._write, every_ns / 2e9)
        self.make_producer, self.producer = make_producer, make_producer()
        self.partitions, self.progress = partitions, progress
        self.every_ns, self.notify = every_ns, notify
        self.written_ns = dict.fromkeys(partitions, 0)  # wall time of the last heartbeat
        self.is_failing = False
        self.read_ns = time.time_ns(), time.monotonic_ns()  # both clocks at the last look

    def __exit__(self, *raised: object) -> None:
        super().__exit__(*raised)
        with suppress(TapeflowError):
            self.producer.flush()

    def _write(self) -> None:
        try:
            self.write_due(self._now_ns())
            self.is_failing = False
        except TapeflowError as error:  # an outage: try again until the broker is back
            if not self.is_failing:
                self.notify(f"heartbeats could not be written: {error}; trying again")
            self.is_failing, self.producer = True, self.make_producer()

    def _now_ns(self) -> int:
        self.read_ns = go_on(*self.read_ns, time.time_ns(), time.monotonic_ns())
        return self.read_ns[0]

    def write_due(self, now_ns: int) -> list[str]:
        """Write a heartbeat into every partition that is quiet at `now_ns`, and return their names.

        Raises TapeflowError where Kafka did not take an earlier one.
        """
        quiet = [name for name in self.partitions if self._is_quiet(name, now_ns)]
        for name in quiet:
            topic, number = self.partitions[name]
            self.producer.send(topic, b"", None, number, timestamp=now_ns // NS_PER_MS)
            self.written_ns[name] = now_ns
        self.producer.check()
        return quiet

    def _is_quiet(self, name: str, now_ns: int) -> bool:
        """Return whether a partition is read to its end and `every_ns` have passed since."""
        last_ns = max(self.progress.log_ns_of(name), self.written_ns[name])
        return self.progress.is_idle(name) and now_ns - last_ns >= self.every_ns


def go_on(was_ns: int, was_monotonic_ns: int, wall_ns: int, monotonic_ns: int) -> tuple[int, int]:
    """Return the wall time as if it had not been set back since it was `was_ns`, and the other.

    >>> s = 1_000_000_000
    >>> go_on(100 * s, 0, 102 * s, 2 * s)[0] // s
    102
    >>> go_on(100 * s, 0, 42 * s, 2 * s)[0] // s
    102
    """
    expected_ns = was_ns + monotonic_ns - was_monotonic_ns
    return wall_ns if wall_ns > expected_ns - STEP_NS else expected_ns, monotonic_ns
