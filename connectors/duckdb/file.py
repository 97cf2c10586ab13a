"""The results file: its tables, and how a whole copy of it is published.

work file ──CHECKPOINT, copy──▶ results.duckdb.next ──rename──▶ results.duckdb

A file that holds anything but results of Tapeflow is never replaced.
"""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from msgspec import Struct

from tapeflow.connectors.duckdb.views import create_views
from tapeflow.schemas.arrow import ddl, to_record_batch
from tapeflow.schemas.errors import TapeflowError
from tapeflow.schemas.instruments import Instrument, InstrumentTable
from tapeflow.schemas.registry import FACT_TYPES

SET_UTC = "SET TimeZone = 'UTC'"  # of TIMESTAMPTZ: a reader's own zone changes no answer
TRANSACTION = "_txn"  # last column of each table: number of the transaction that wrote the row
RUNS = """
    CREATE TABLE runs (
        id BIGINT, started TIMESTAMP_NS, finished TIMESTAMP_NS,
        version VARCHAR, command VARCHAR, job JSON
    )
"""


class RunInfo(Struct, frozen=True):
    """The row of a run in table `runs`, and its instruments."""

    version: str
    command: str
    job: str  # JSON
    instruments: InstrumentTable


class ResultPaths(Struct, frozen=True):
    """The work file, and the file in which results are published."""

    results: Path
    work: Path

    @classmethod
    def for_stateless_run(cls, results: Path) -> "ResultPaths":
        """Return the paths of a run without a state directory: work file next to results."""
        return cls(results, results.with_name(results.name + ".making"))


def connect_owner(path: Path) -> Any:
    """Open the owner's connection to the work file, with one thread: the flow needs the others.

    Raises TapeflowError where it cannot be opened.
    """
    try:
        con = duckdb.connect(str(path), config={"threads": 1, "memory_limit": "256MB"})
        con.execute(f"{SET_UTC}; SET lock_configuration = true")  # users query on its cursors
        return con
    except duckdb.Error as error:
        raise TapeflowError(f"{path}: cannot be opened: {str(error).splitlines()[0]}") from None


@contextmanager
def translate_errors(path: Path) -> Iterator[None]:
    """Raise errors of the file system and of DuckDB as a TapeflowError that names the file."""
    try:
        yield
    except OSError as error:
        raise TapeflowError(f"{path}: cannot be written: {error.strerror}") from None
    except duckdb.Error as error:
        line = str(error).splitlines()[0]
        raise TapeflowError(f"{path}: cannot be written: {line}") from None


def create(paths: ResultPaths, run: RunInfo) -> Any:
    """Make a fresh work file with all tables, and return the owner's connection to it.

    Raises TapeflowError where the results file holds something else, or a file cannot be written.
    """
    check_replaceable(paths.results)
    with translate_errors(paths.work):
        paths.work.parent.mkdir(parents=True, exist_ok=True)
        for stale in (paths.work, paths.work.with_name(paths.work.name + ".wal")):
            stale.unlink(missing_ok=True)
        shutil.rmtree(paths.work.with_name(paths.work.name + ".tmp"), ignore_errors=True)
    with translate_errors(paths.work), ExitStack() as failed:
        con = connect_owner(paths.work)
        failed.callback(con.close)
        con.begin()
        for fact_type in FACT_TYPES:
            con.execute(ddl(fact_type.table, fact_type.type, [f"{TRANSACTION} BIGINT"]))
        create_views(con)
        con.execute(ddl("instruments", Instrument))
        insert(
            con,
            "instruments",
            pa.Table.from_batches([to_record_batch(Instrument, run.instruments.rows)]),
        )
        con.execute(RUNS)
        con.commit()
        failed.pop_all()
    return con


def insert(con: Any, name: str, table: Any) -> None:
    """Insert a pyarrow.Table into the table `name`, whose columns are in the same order."""
    con.from_arrow(table).insert_into(name)


def begin_run(con: Any, run: RunInfo) -> None:
    """Add a row to `runs`: a run has begun, or has resumed."""
    con.execute(
        "INSERT INTO runs SELECT coalesce(max(id), 0) + 1, ?, NULL, ?, ?, ? FROM runs",
        [now(), run.version, run.command, run.job],
    )


@contextmanager
def exclusive_lock(results: Path) -> Iterator[None]:
    """Lock the results for one run; TapeflowError where another run is writing them."""
    path = results.with_name(results.name + ".lock")
    with translate_errors(results):
        results.parent.mkdir(parents=True, exist_ok=True)
        lock = path.open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise TapeflowError(
            f"{results} is being written by another run: name another file"
        ) from None
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        lock.close()


def check_replaceable(results: Path) -> None:
    """Raise TapeflowError where the results file holds something else."""
    if not results.exists():
        return
    try:
        with duckdb.connect(str(results), read_only=True) as con:
            con.execute("FROM runs LIMIT 0")
    except duckdb.Error:
        raise TapeflowError(
            f"{results} exists and holds no results of Tapeflow: name another file for --results"
        ) from None


def publish(con: Any, paths: ResultPaths) -> None:
    """Replace the results by a whole copy of the work file; open readers keep the old one."""
    with translate_errors(paths.results):
        con.execute("CHECKPOINT")
        copy = paths.results.with_name(paths.results.name + ".next")
        shutil.copyfile(paths.work, copy)
        os.replace(copy, paths.results)


def finalize(paths: ResultPaths, *, ended: bool, keep: bool) -> None:
    """Publish the results of a run that is over.

    `ended`: the log was read to its end, so the run gets its time of finishing. `keep`: a state
    directory keeps the work file; else it becomes the results file.
    """
    with translate_errors(paths.work), connect_owner(paths.work) as con:
        if ended:
            con.execute(
                "UPDATE runs SET finished = ? WHERE id = (SELECT max(id) FROM runs)", [now()]
            )
        if keep:
            publish(con, paths)
        else:
            con.execute("CHECKPOINT")
    if not keep:
        with translate_errors(paths.results):
            os.replace(paths.work, paths.results)


def now() -> str:
    """Return the wall time in UTC for the table `runs`; no fact depends on it."""
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
