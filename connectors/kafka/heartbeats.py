"""Heartbeats for topics that other producers feed: who waits for a quiet partition can go on.

    binance-0   r r   r r     r
    coinbase-0  r . . h . . h . . h r        h: an empty record, after so much silence

They are in the log like any record, so that a replay sees them too. Only this run's clock is asked,
and only here: what a heartbeat says is the log time at which it was written.
"""

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

from tapeflow.connectors.kafka.client import Say
from tapeflow.connectors.kafka.sink import ReliableProducer
from tapeflow.connectors.source.progress import Progress
from tapeflow.schemas.errors import TapeflowError

NS_PER_MS = 1_000_000


class HeartbeatWriter:
    """Writes heartbeats while it is entered."""

    def __init__(
        self,
        make_sender: Callable[[], ReliableProducer],
        places: Mapping[str, tuple[str, int]],
        board: Progress,
        every_ns: int,
        say: Say,
    ) -> None:
        """Watch the partitions of `places` (topic, number) on the board."""
        self.make_sender, self.sender = make_sender, make_sender()
        self.places, self.board, self.every_ns, self.say = places, board, every_ns, say
        self.written = dict.fromkeys(places, 0)  # wall time of the last heartbeat, ns
        self.done = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "HeartbeatWriter":
        self.thread.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self.done.set()
        self.thread.join()

    def _run(self) -> None:
        failing = False
        while not self.done.wait(self.every_ns / 2e9):
            try:
                self.write_due(time.time_ns())
                failing = False
            except TapeflowError as error:  # an outage: go on when the broker is back
                if not failing:
                    self.say(f"heartbeats could not be written: {error}; trying on")
                failing, self.sender = True, self.make_sender()
        with suppress(TapeflowError):
            self.sender.flush()

    def write_due(self, now_ns: int) -> list[str]:
        """Write a heartbeat into every partition that was silent so long; name them."""
        quiet = [name for name in self.places if self._is_quiet(name, now_ns)]
        for name in quiet:
            topic, number = self.places[name]
            self.sender.send(topic, b"", None, number, timestamp=now_ns // NS_PER_MS)
            self.written[name] = now_ns
        self.sender.check()
        return quiet

    def _is_quiet(self, name: str, now_ns: int) -> bool:
        """Read to its end, and nothing has come for so long; a backlog is no silence."""
        since_ns = max(self.board.log_ns_of(name), self.written[name])
        return self.board.is_idle(name) and now_ns - since_ns >= self.every_ns
