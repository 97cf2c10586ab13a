"""Publishes the results of a live run: a whole copy every few seconds, by a clock.

    writer's thread   commit 7 ─▶ commit 8 ─▶ (look) ─▶ (look: 5 s since the last, publish) ─▶ ...

The clock looks while nothing is heard too, so a published copy lacks nothing for long.
"""

from time import monotonic
from typing import Any

from tapeflow.connectors.duckdb.async_writer import AsyncWriter
from tapeflow.connectors.duckdb.file import ResultPaths, publish
from tapeflow.engine.threads import PeriodicThread

PUBLISH_EVERY_S = 5.0
LOOK_S = 1.0  # between two looks whether it is time
PUBLISH_COST_RATIO = 20  # publishing takes at most a twentieth of the time


class Publisher:
    """Replaces the results by whole copies of the work file."""

    def __init__(self, con: Any, paths: ResultPaths, writer: AsyncWriter) -> None:
        """Publish at once where there are no results, later on the thread of `writer`."""
        self.con, self.paths = con, paths
        self.published_at, self.publish_s, self.unpublished = monotonic(), 0.0, True
        if not paths.results.exists():
            self.publish()
        self.clock = PeriodicThread(lambda: writer.run(self.publish_when_due), LOOK_S)
        self.clock.__enter__()

    def publish_when_due(self) -> None:
        """Publish every few seconds; less often where the file is large and a copy takes long."""
        waited_s = monotonic() - self.published_at
        if self.unpublished and waited_s >= max(
            PUBLISH_EVERY_S - LOOK_S, PUBLISH_COST_RATIO * self.publish_s
        ):
            self.publish()

    def publish(self) -> None:
        """Replace the results by a whole copy of the work file."""
        began = monotonic()
        publish(self.con, self.paths.work, self.paths.results)
        self.published_at = began
        self.publish_s = monotonic() - began
        self.unpublished = False

    def close(self) -> None:
        """End the clock."""
        self.clock.__exit__()
