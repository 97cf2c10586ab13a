"""Results: every fact in one DuckDB file, exactly once.

    facts ──▶ buffer ──epoch──▶ one transaction, rows marked with its number ──▶ results.duckdb
    resume at number n: rows of later transactions are deleted first; the log brings them again

A live run commits its epochs on a thread of its own (async_writer.py). One partition of one sink
owns the work file. Readers open a published whole copy of it, or query the owner while it runs
(flight.py).
"""

from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from time import monotonic
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition

from tapeflow.connectors.duckdb.async_writer import AsyncWriter, PendingTables, Tables, from_ipc
from tapeflow.connectors.duckdb.buffer import FactBuffer
from tapeflow.connectors.duckdb.file import (
    TRANSACTION,
    ResultPaths,
    RunInfo,
    begin_run,
    connect_owner,
    create,
    insert,
    publish,
    translate_errors,
)
from tapeflow.connectors.duckdb.flight import QueryServer
from tapeflow.engine.errors import capture_close_errors, capture_errors
from tapeflow.schemas.batches import Facts
from tapeflow.schemas.errors import TapeflowError
from tapeflow.schemas.registry import FACT_TYPES, OPEN_MINUTES

PART = "results"  # name of the one partition
PUBLISH_EVERY_S = 5.0
PUBLISH_EARLY_S = 0.5  # so that an epoch as long as PUBLISH_EVERY_S is published each time
BUFFER_ROWS_MAX = 20_000  # beyond that the facts of an open epoch are inserted, not committed
PUBLISH_COST_RATIO = 20  # publishing takes at most a twentieth of the time

State = tuple[int, int, PendingTables]  # version, last committed transaction, those pending


class ResultsSink(FixedPartitionedSink[Facts, State]):
    """A sink of facts to the tables of their types."""

    VERSION: ClassVar[int] = 2  # of its state

    def __init__(self, paths: ResultPaths, run: RunInfo, *, live: bool = False) -> None:
        """Write the results of `run`; where it is `live`, on a thread of its own."""
        self.paths, self.run, self.live = paths, run, live

    def list_parts(self) -> list[str]:
        """Return the name of the one partition, which owns the file."""
        return [PART]

    def part_fn(self, item_key: str) -> int:
        """Return the one partition's index for every item."""
        return 0

    @capture_errors
    def build_part(
        self, step_id: str, for_part: str, resume_state: State | None
    ) -> "ResultsSinkPartition":
        """Make the work file, or delete from it what was written after the state to resume."""
        committed, pending = 0, PendingTables()
        if resume_state is None:
            con = create(self.paths, self.run)
        else:
            version, committed, pending = resume_state
            if version != self.VERSION:
                raise TapeflowError(
                    f"{self.paths.work}: the results' state is of version {version}, this is "
                    f"{self.VERSION}: start with a fresh --state"
                )
            con = connect_owner(self.paths.work)
            roll_back_to(con, self.paths.work, committed)
        part = ResultsSinkPartition(con, self.paths, self.run, committed, pending)
        part.writer = AsyncWriter(part.transaction, part.write) if self.live else None
        return part


def roll_back_to(con: Any, work: Path, transaction: int) -> None:
    """Delete the rows of all transactions after this number."""
    with translate_errors(work):
        con.begin()
        for fact_type in FACT_TYPES:
            con.execute(f"DELETE FROM {fact_type.table} WHERE {TRANSACTION} > ?", [transaction])
        con.commit()


class ResultsSinkPartition(StatefulSinkPartition[Facts, State]):
    """The owner of the work file."""

    def __init__(
        self,
        con: Any,
        paths: ResultPaths,
        run: RunInfo,
        committed: int = 0,
        pending: Sequence[tuple[int, dict[str, bytes]]] = (),
    ) -> None:
        self.con, self.paths = con, paths
        self.transaction = committed  # number of the last one that is written or submitted
        self.writer: AsyncWriter | None = None
        self.buffer = FactBuffer(run.instruments.ids)
        self.in_transaction = False
        with translate_errors(paths.work):
            self.con.begin()
            for number, streams in pending:
                self._insert(number, from_ipc(streams))
                self.transaction = number
            con.execute(f"DELETE FROM {OPEN_MINUTES}")  # of the last stop: it goes on now
            begin_run(self.con, run)
            self.con.commit()
        self.published_at, self.publish_s, self.unpublished = monotonic(), 0.0, True
        if not paths.results.exists():
            self.publish()
        self.healthy = True  # no write has failed: what is committed may be published
        self.query_server = QueryServer(self.con, paths.results)

    @capture_errors
    def write_batch(self, values: list[Facts]) -> None:
        """Buffer facts until the end of the epoch; insert them before where they are many."""
        self.buffer.add(chain.from_iterable(values))
        if self.buffer.rows > BUFFER_ROWS_MAX and self.writer is None:
            self.healthy = False
            self.insert(self.transaction + 1, self.buffer.drain())
            self.healthy = True

    @capture_errors
    def snapshot(self) -> State:
        """Write the epoch's facts in one transaction; return the state of it.

        A live run only submits it, and raises the error of an earlier epoch that failed.
        """
        self.healthy = False
        tables = self.buffer.drain()
        committed, pending = 0, PendingTables()
        if self.writer is not None:
            self.transaction += bool(tables)
            if tables or self.unpublished:
                self.writer.submit(self.transaction, tables)
            committed, pending = self.writer.pending_state()
        else:
            self.transaction += self.in_transaction or bool(tables)
            self.write(self.transaction, tables)
            committed = self.transaction
        self.healthy = True
        return ResultsSink.VERSION, committed, pending

    def write(self, number: int, tables: Tables) -> None:
        """Commit the transaction of this number, and publish where it is time."""
        self.insert(number, tables)
        if self.in_transaction:
            with translate_errors(self.paths.work):
                self.con.commit()
            self.in_transaction, self.unpublished = False, True
        self.publish_when_due()

    def insert(self, number: int, tables: Tables) -> None:
        """Insert facts in the transaction of this number, without committing it."""
        if not tables:
            return
        with translate_errors(self.paths.work):
            if not self.in_transaction:
                self.con.begin()
                self.in_transaction = True
            self._insert(number, tables)

    def _insert(self, number: int, tables: Tables) -> None:
        for name, table in tables.items():
            numbers = pa.array(np.full(len(table), number))
            insert(self.con, name, table.append_column(TRANSACTION, numbers))

    def publish_when_due(self) -> None:
        """Publish every few seconds; less often where the file is large and a copy takes long."""
        waited_s = monotonic() - self.published_at
        if self.unpublished and waited_s > max(
            PUBLISH_EVERY_S - PUBLISH_EARLY_S, PUBLISH_COST_RATIO * self.publish_s
        ):
            self.publish()

    def publish(self) -> None:
        """Replace the results by a whole copy of the work file."""
        began = monotonic()
        publish(self.con, self.paths)
        self.published_at = began
        self.publish_s = monotonic() - began
        self.unpublished = False

    @capture_close_errors
    def close(self) -> None:
        """Roll back an open transaction, and publish what is committed."""
        if self.writer is not None:
            self.healthy = self.writer.close() and self.healthy
        self.query_server.close()
        if self.unpublished and self.healthy:
            if self.in_transaction:
                self.con.rollback()
            self.publish()
        self.con.close()
        if self.writer is not None:
            self.writer.wait_until_written()  # raises a failure after the last snapshot
