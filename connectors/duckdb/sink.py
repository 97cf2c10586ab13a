"""Results: every fact in one DuckDB file, exactly once.

    facts ──▶ waiting ──epoch──▶ one transaction, rows marked with its number ──▶ results.duckdb
    resume at number n: rows of later transactions are taken back first; the log brings them again

A live run's epochs are written beside it (results_aside.py). One partition of one sink owns the
work file; a reader only ever meets a whole copy of it, or asks the owner while it runs
(live_answers.py).
"""

from itertools import chain
from pathlib import Path
from time import monotonic
from typing import Any

from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition

from tapeflow.connectors.duckdb import file as duckdb_file
from tapeflow.connectors.duckdb.async_writer import AsyncWriter, Tables, WriterState, unpacked
from tapeflow.connectors.duckdb.buffer import FactBuffer
from tapeflow.connectors.duckdb.file import TRANSACTION, ResultPaths, RunInfo
from tapeflow.connectors.duckdb.flight import QueryServer
from tapeflow.engine.errors import capture_close_errors, capture_errors
from tapeflow.schemas.batches import Facts
from tapeflow.schemas.registry import FACT_TYPES

PART = "results"
PUBLISH_EVERY_S = 5.0
SLACK_S = 0.5  # an epoch that is as long may come a little early
ROWS_MAX = 20_000  # that wait outside of DuckDB
PUBLISH_COST_RATIO = 20  # publishing takes at most a twentieth of the time

State = int | WriterState  # the last transaction; of a live run with what was not written yet


class ResultsSink(FixedPartitionedSink[Facts, State]):
    """Facts into the tables of their types."""

    def __init__(self, files: ResultPaths, run: RunInfo, *, live: bool = False) -> None:
        """Write what becomes the results; beside the flow where it is `live`."""
        self.files, self.run, self.live = files, run, live

    def list_parts(self) -> list[str]:
        """One owner."""
        return [PART]

    def part_fn(self, item_key: str) -> int:
        """Give it everything."""
        return 0

    @capture_errors
    def build_part(
        self, step_id: str, for_part: str, resume_state: State | None
    ) -> "ResultsSinkPartition":
        """Lay the file out, or take back what was written after the state that is resumed."""
        if resume_state is None:
            con = duckdb_file.create(self.files, self.run)
        else:
            con = duckdb_file.connect(self.files.work)
            roll_back_to(con, self.files.work, resume_state)
        part = ResultsSinkPartition(con, self.files, self.run, resume_state or 0)
        if self.live:
            part.writer = AsyncWriter(part.transaction, part.write)
        return part


def roll_back_to(con: Any, work: Path, state: State) -> None:
    """Delete what was written after a state."""
    number = state if isinstance(state, int) else state[0]
    with duckdb_file.translate_errors(work):
        con.begin()
        for topic in FACT_TYPES:
            con.execute(f"DELETE FROM {topic.table} WHERE {TRANSACTION} > ?", [number])
        con.commit()


class ResultsSinkPartition(StatefulSinkPartition[Facts, State]):
    """The owner of the file."""

    def __init__(self, con: Any, files: ResultPaths, run: RunInfo, state: State) -> None:
        self.con, self.files = con, files
        self.transaction, waiting = (state, []) if isinstance(state, int) else state
        self.writer: AsyncWriter | None = None
        self.waiting = FactBuffer([each.id for each in run.instruments])
        self.in_transaction = False  # is a transaction open?
        with duckdb_file.translate_errors(files.work):
            self.con.begin()
            for self.transaction, kept in waiting:  # the last one stays
                self._insert(self.transaction, unpacked(kept))
            duckdb_file.begin_run(self.con, run)
            self.con.commit()
        self.published_at, self.cost_s, self.unpublished = monotonic(), 0.0, True
        if not files.results.exists():
            self.publish()
        self.healthy = True  # nothing has failed: what is here may be published
        self.live = QueryServer(self.con, files.results)

    @capture_errors
    def write_batch(self, values: list[Facts]) -> None:
        """Keep facts for the end of the epoch; DuckDB holds them where they are many."""
        self.waiting.add(chain.from_iterable(values))
        if self.waiting.rows > ROWS_MAX and self.writer is None:
            self.healthy = False
            self.insert(self.transaction + 1, self.waiting.tables())
            self.healthy = True

    @capture_errors
    def snapshot(self) -> State:
        """Write the epoch's facts in one transaction; its number is what a resume goes back to."""
        self.healthy = False
        tables = self.waiting.tables()
        state: State
        if self.writer is not None:
            self.transaction += bool(tables)
            if tables or self.unpublished:
                self.writer.submit(self.transaction, tables)
            state = self.writer.kept()
        else:
            self.transaction += self.in_transaction or bool(tables)
            self.write(self.transaction, tables)
            state = self.transaction
        self.healthy = True
        return state

    def write(self, number: int, tables: Tables) -> None:
        """Commit a transaction, and publish when it is time."""
        self.insert(number, tables)
        if self.in_transaction:
            with duckdb_file.translate_errors(self.files.work):
                self.con.commit()
            self.in_transaction, self.unpublished = False, True
        self.publish_when_due()

    def insert(self, number: int, tables: Tables) -> None:
        """Insert facts in the transaction of this number."""
        if not tables:
            return
        with duckdb_file.translate_errors(self.files.work):
            if not self.in_transaction:
                self.con.begin()
                self.in_transaction = True
            self._insert(number, tables)

    def _insert(self, number: int, tables: Tables) -> None:
        for name, told in tables.items():  # noqa: B007  # DuckDB reads it by its name
            self.con.execute(
                f"INSERT INTO {name} BY NAME SELECT *, {number}::BIGINT AS {TRANSACTION} FROM told"
            )

    def publish_when_due(self) -> None:
        """Publish every few seconds, and seldom enough to cost little however large the file is."""
        waited = monotonic() - self.published_at
        if self.unpublished and waited > max(
            PUBLISH_EVERY_S - SLACK_S, PUBLISH_COST_RATIO * self.cost_s
        ):
            self.publish()

    def publish(self) -> None:
        """Put a whole copy in the place of the results."""
        began = monotonic()
        duckdb_file.publish(self.con, self.files)
        self.published_at = began
        self.cost_s = monotonic() - began
        self.unpublished = False

    @capture_close_errors
    def close(self) -> None:
        """Publish what is sealed; what an epoch has not sealed is taken back."""
        if self.writer is not None:
            self.healthy = self.writer.close() and self.healthy
        self.live.close()
        if self.unpublished and self.healthy:
            if self.in_transaction:
                self.con.rollback()
            self.publish()
        self.con.close()
        if self.writer is not None:
            self.writer.drain()  # raises a failure that came after the last snapshot
