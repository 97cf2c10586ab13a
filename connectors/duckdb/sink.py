"""Results: every fact in one DuckDB file, exactly once.

    facts ──▶ buffer ──epoch──▶ one transaction, rows marked with its number ──▶ work file
    resume at number n: rows of later transactions are deleted first; the log brings them again

One partition of one sink owns the work file. A live run commits its epochs on a thread of its own
(async_writer.py), which also publishes a whole copy every few seconds, while nothing is heard too.
A replay publishes at its end only (endings.py). Queries go to the owner while it runs (flight.py).
"""

from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any, ClassVar

from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition

from tapeflow.connectors.duckdb.async_writer import AsyncWriter, PendingTables, Tables, from_ipc
from tapeflow.connectors.duckdb.buffer import FEW_ROWS, FactBuffer
from tapeflow.connectors.duckdb.endings import complete
from tapeflow.connectors.duckdb.file import (
    OutOfMemoryError,
    ResultPaths,
    reopen,
    translate_errors,
)
from tapeflow.connectors.duckdb.flight import QueryServer
from tapeflow.connectors.duckdb.handover import pass_on
from tapeflow.connectors.duckdb.insertion import create, insert_facts
from tapeflow.connectors.duckdb.publisher import Publisher
from tapeflow.connectors.duckdb.runs import begin_run, mark
from tapeflow.connectors.duckdb.tables import RunInfo, roll_back_to
from tapeflow.engine.errors import capture_close_errors, capture_errors
from tapeflow.schemas.batches import Facts
from tapeflow.schemas.errors import TapeflowError

PART = "results"  # name of the one partition
BUFFER_ROWS_MAX = 20_000  # beyond that the facts of an open epoch are inserted, not committed

State = tuple[int, int, PendingTables]  # version, last committed transaction, those pending


class ResultsSink(FixedPartitionedSink[Facts, State]):
    """A sink of facts to the tables of their types."""

    VERSION: ClassVar[int] = 3  # of its state and tables

    def __init__(
        self,
        paths: ResultPaths,
        run: RunInfo,
        *,
        live: bool = False,
        at_end: Callable[[], bool] = lambda: False,
    ) -> None:
        """Write the results of `run`; where it is `live`, on a thread of its own.

        Where `at_end` holds when the sink closes, its results replace earlier ones.
        """
        self.paths, self.run, self.live, self.at_end = paths, run, live, at_end

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
            con = create(self.paths)
        else:
            version, committed, pending = resume_state
            if version != self.VERSION:
                raise TapeflowError(
                    f"{self.paths.work}: the results' state is of version {version}, this is "
                    f"{self.VERSION}: start with a fresh --state"
                )
            con = reopen(self.paths.work)
            with translate_errors(self.paths.work):
                roll_back_to(con, committed)
        part = ResultsSinkPartition(con, self.paths, self.run, committed, pending)
        part.at_end = self.at_end
        if self.live:
            part.write_behind()
        return part


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
        self.publisher: Publisher | None = None
        self.at_end: Callable[[], bool] = lambda: False
        self.buffer = FactBuffer(run.instruments.ids)
        self.in_transaction = False
        with translate_errors(paths.work):
            self.con.begin()
            for number, streams in pending:
                insert_facts(con, number, from_ipc(streams))
                self.transaction = number
            begin_run(self.con, run)
            self.con.commit()
        self.healthy = True  # no write has failed: what is committed may be published
        self.query_server = QueryServer(self.con, paths.results)

    def write_behind(self) -> None:
        """Commit and publish on a thread of its own from now on, as a live run does."""
        self.writer = AsyncWriter(self.transaction, self.write)
        self.publisher = Publisher(self.con, self.paths, self.writer)

    @capture_errors
    def write_batch(self, values: list[Facts]) -> None:
        """Buffer facts until the end of the epoch; insert them before where they are many."""
        self.buffer.add(chain.from_iterable(values))
        if self.buffer.rows > BUFFER_ROWS_MAX and self.writer is None:
            self.healthy = False
            self.insert(self.transaction + 1, self.buffer.drain(FEW_ROWS))
            self.healthy = True

    @capture_errors
    def snapshot(self) -> State:
        """Write the epoch's facts in one transaction; return the state of it.

        A live run only submits it, and raises the error of an earlier epoch that failed.
        """
        self.healthy = False
        tables = self.buffer.drain()
        if self.writer is None:
            self.transaction += self.in_transaction or bool(tables)
            self.write(self.transaction, tables)
            committed, pending = self.transaction, PendingTables()
        else:
            self.transaction += bool(tables)
            if tables:
                self.writer.submit(self.transaction, tables)
            committed, pending = self.writer.pending_state()
        self.healthy = True
        return ResultsSink.VERSION, committed, pending

    def write(self, number: int, tables: Tables) -> None:
        """Commit the transaction of this number.

        A query takes its memory from the same limit: where it left too little, it is interrupted.
        """
        whole = not self.in_transaction
        try:
            self._write(number, tables)
        except OutOfMemoryError:
            if not whole or not self.query_server.interrupt():
                raise
            self.con.rollback()
            self.in_transaction = False
            self._write(number, tables)

    def _write(self, number: int, tables: Tables) -> None:
        self.insert(number, tables)
        if not self.in_transaction:
            return
        with translate_errors(self.paths.work):
            mark(self.con, "committed")
            self.con.commit()
        self.in_transaction = False
        if self.publisher is not None:
            self.publisher.unpublished = True

    def insert(self, number: int, tables: Tables) -> None:
        """Insert facts in the transaction of this number, without committing it."""
        if not tables:
            return
        with translate_errors(self.paths.work):
            if not self.in_transaction:
                self.con.begin()
                self.in_transaction = True
            insert_facts(self.con, number, tables)

    @capture_close_errors
    def close(self) -> None:
        """Roll back an open transaction, and publish what is committed by a live run."""
        if self.publisher is not None:
            self.publisher.close()
        if self.writer is not None:
            self.healthy = self.writer.close() and self.healthy
        self.query_server.close()
        if self.in_transaction and self.healthy:
            self.con.rollback()
        if self.publisher is not None and self.publisher.unpublished and self.healthy:
            self.publisher.publish()
        pass_on(self.paths.work, self.con, usable=self.healthy)
        if self.writer is not None:
            self.writer.wait_until_written()  # raises a failure after the last snapshot
        if self.healthy and self.at_end():
            complete(self.paths, keep=True)
