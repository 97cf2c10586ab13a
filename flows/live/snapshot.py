"""Snapshots of a flow, one after the other: `LiveWatch(results).refresh()`.

    LiveSource ─▶ run or file ─▶ Cadence: one query a part ─┐
    metrics page, where the job has one ────────────────────┴─▶ Snapshot, with its alerts

A run that is gone is shown as it was last read, where the file has less. Threads: one at a time.
"""

import json
import time
from collections.abc import Callable
from pathlib import Path

from msgspec import structs

from tapeflow.connectors.duckdb.lock import is_locked
from tapeflow.flows.live.alerts import find_alerts
from tapeflow.flows.live.cadence import Cadence
from tapeflow.flows.live.metrics_page import page_address, scrape
from tapeflow.flows.live.model import Snapshot, State
from tapeflow.flows.live.partitions import PartitionRates
from tapeflow.flows.live.reading import Reading, empty_snapshot
from tapeflow.flows.live.run_state import run_state, state_of
from tapeflow.flows.live.source import LiveSource, Row, RunEndedError, Signature
from tapeflow.flows.live.thresholds import thresholds_of
from tapeflow.schemas.errors import TapeflowError

MEMORY = "the run does not answer any more: this is what it had when it was last read"


class LiveWatch:
    """Takes snapshots of the last run of some results."""

    def __init__(self, results: Path, wall_ns: Callable[[], int] = time.time_ns) -> None:
        """Watch results that are there, or will be; `wall_ns` is the wall clock."""
        self.results, self.wall_ns = results, wall_ns
        self.source = LiveSource(results)
        self.cadence, self.rates = Cadence(self.source.rows), PartitionRates()
        self.origin: tuple[Signature | None, int, State] | None = None
        self.last: Snapshot | None = None
        self.last_row: Row | None = None  # of `last`
        self.gone_ns: int | None = None

    def refresh(self) -> Snapshot:
        """Return the snapshot of now.

        Raises TapeflowError where there are neither results nor a run.
        """
        try:
            return self._refresh()
        except RunEndedError:
            return self._refresh()  # once more: of the file, or of the run that came after it

    def close(self) -> None:
        """Close what is open."""
        self.source.close()

    def _refresh(self) -> Snapshot:
        row, now_ns = self._begin(), self.wall_ns()
        if self._saw_more_than(row):
            return self._keep(now_ns)
        if row is None:
            return empty_snapshot(self.results, now_ns)
        state = state_of(row, is_live=self.source.is_live, is_locked=is_locked(self.results))
        self._note_gone(state, now_ns)
        origin = (self.source.signature, row["started_ns"], state)
        if self.last is not None and origin == self.origin and not self.source.is_live:
            return structs.replace(self.last, taken_ns=now_ns)
        if origin != self.origin:
            self.cadence.clear()
            self.rates.clear()
        self.origin = origin
        self.cadence.begin(row["committed_ns"])
        address = page_address(**json.loads(row["metrics"] or "{}")) if self.source.is_live else ""
        page = scrape(address) if address else None
        run = run_state(row, state, now_ns, self.gone_ns, page.values if page else {})
        bare = Snapshot(
            taken_ns=now_ns,
            results=str(self.results),
            source="run" if self.source.is_live else "file",
            metrics=address,
            run=run,
        )
        self.last, self.last_row = Reading(self.cadence, self.rates, row, page).add_to(bare), row
        return self.last

    def _begin(self) -> Row | None:
        """Return the row of the last run; None where a run that was seen has left no file."""
        try:
            return self.source.begin()
        except TapeflowError:
            if self.last is None:
                raise
            return None

    def _saw_more_than(self, row: Row | None) -> bool:
        """Return whether the last snapshot, of a run that is gone, has more than a file's row."""
        if self.source.is_live or self.last is None or self.last.source == "file":
            return False
        return row is None or reach(row) < reach(self.last_row or row)

    def _keep(self, now_ns: int) -> Snapshot:
        """Return the last snapshot of a run that does not answer any more, with its new state."""
        assert self.last is not None and self.last_row is not None
        is_gone = not is_locked(self.results)
        state: State = "gone" if is_gone else "starting"
        self._note_gone(state, now_ns)
        bare = structs.replace(
            self.last,
            taken_ns=now_ns,
            source="memory",
            run=run_state(self.last_row, state, now_ns, self.gone_ns, {}),
            notes=[MEMORY],
        )
        found = find_alerts(bare, thresholds_of(self.last_row))
        self.last, self.origin = structs.replace(bare, alerts=found), None
        return self.last

    def _note_gone(self, state: State, now_ns: int) -> None:
        """Note when a run that was seen is first seen gone."""
        was_seen = self.last is not None and self.last.source != "file"
        if state != "gone":
            self.gone_ns = None
        elif self.gone_ns is None and was_seen:
            self.gone_ns = now_ns


def reach(row: Row) -> tuple[int, int, int]:
    """Return what orders rows of runs by how much they know: start, end, last commit."""
    ended_ns = row["finished_ns"] or row["stopped_ns"] or 0
    return row["started_ns"], ended_ns, row["committed_ns"] or 0
