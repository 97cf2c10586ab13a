"""The results file: how it is laid out, published whole, and never put in another's place.

work file ──CHECKPOINT, copy──▶ results.duckdb.next ──rename──▶ results.duckdb
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
from msgspec import Struct

from tapeflow.schemas.arrow import columns, ddl, to_record_batch
from tapeflow.schemas.errors import TapeflowError
from tapeflow.schemas.instruments import Instrument
from tapeflow.schemas.quality import QualityCounts
from tapeflow.schemas.registry import FACT_TYPES

TRANSACTION = "_txn"  # column: number of the transaction that wrote the row
RUNS = """
    CREATE TABLE runs (
        id BIGINT, started TIMESTAMP_NS, finished TIMESTAMP_NS,
        version VARCHAR, command VARCHAR, job JSON
    )
"""
QUALITY = """
    CREATE VIEW data_quality AS
    SELECT partition, instrument, min(time) AS first_minute, max(time) AS last_minute,
        {sums}
    FROM data_quality_minutes GROUP BY partition, instrument ORDER BY partition, instrument
"""


class RunInfo(Struct, frozen=True):
    """What is written of the run itself."""

    version: str
    command: str
    job: str  # JSON
    instruments: tuple[Instrument, ...]


class ResultPaths(Struct, frozen=True):
    """Where results are made, and where they are published."""

    results: Path
    work: Path

    @classmethod
    def for_stateless_run(cls, results: Path) -> "ResultPaths":
        """Make them beside the results, for a run that keeps no state."""
        return cls(results, results.with_name(results.name + ".making"))


def connect(path: Path) -> Any:
    """Open the owner's connection; one thread, as the flow wants the others."""
    try:
        con = duckdb.connect(str(path), config={"threads": 1, "memory_limit": "256MB"})
        con.execute("SET lock_configuration = true")  # queries of others run beside the owner
        return con
    except duckdb.Error as error:
        raise TapeflowError(f"{path}: cannot be opened: {str(error).splitlines()[0]}") from None


@contextmanager
def translate_errors(path: Path) -> Iterator[None]:
    """What goes wrong with a file, as one line that names it."""
    try:
        yield
    except OSError as error:
        raise TapeflowError(f"{path}: cannot be written: {error.strerror}") from None
    except duckdb.Error as error:
        line = str(error).splitlines()[0]
        raise TapeflowError(f"{path}: cannot be written: {line}") from None


def create(files: ResultPaths, run: RunInfo) -> Any:
    """Make a fresh work file with all tables; refuse results that are not ours. Its connection."""
    check_replaceable(files.results)
    with translate_errors(files.work):
        files.work.parent.mkdir(parents=True, exist_ok=True)
        for stale in (files.work, files.work.with_name(files.work.name + ".wal")):
            stale.unlink(missing_ok=True)
        shutil.rmtree(files.work.with_name(files.work.name + ".tmp"), ignore_errors=True)
    with translate_errors(files.work), ExitStack() as failed:
        con = connect(files.work)
        failed.callback(con.close)
        con.begin()
        for topic in FACT_TYPES:
            con.execute(ddl(topic.table, topic.type, [f"{TRANSACTION} BIGINT"]))
        counts = [column.name for column in columns(QualityCounts) if column.sql == "BIGINT"]
        sums = ", ".join(f"sum({name})::BIGINT AS {name}" for name in counts)
        con.execute(QUALITY.format(sums=sums))
        con.execute(ddl("instruments", Instrument))
        listed = to_record_batch(Instrument, run.instruments)  # noqa: F841  # DuckDB reads it by its name
        con.execute("INSERT INTO instruments BY NAME SELECT * FROM listed")
        con.execute(RUNS)
        con.commit()
        failed.pop_all()
    return con


def begin_run(con: Any, run: RunInfo) -> None:
    """Write down that a run has begun, or gone on."""
    con.execute(
        "INSERT INTO runs SELECT coalesce(max(id), 0) + 1, ?, NULL, ?, ?, ? FROM runs",
        [now(), run.version, run.command, run.job],
    )


@contextmanager
def exclusive_lock(results: Path) -> Iterator[None]:
    """Hold the results for one run; MisuseError where another makes them already."""
    path = results.with_name(results.name + ".lock")
    with translate_errors(results):
        results.parent.mkdir(parents=True, exist_ok=True)
        lock = path.open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise TapeflowError(f"{results} is being made by another run: name another") from None
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        lock.close()


def check_replaceable(results: Path) -> None:
    """Raise MisuseError where the results file holds something else."""
    if not results.exists():
        return
    try:
        with duckdb.connect(str(results), read_only=True) as con:
            con.execute("FROM runs LIMIT 0")
    except duckdb.Error:
        raise TapeflowError(
            f"{results} exists and holds no results of Tapeflow: name another file for --results"
        ) from None


def publish(con: Any, files: ResultPaths) -> None:
    """Put a whole copy in the place of the results; who reads the old one keeps it."""
    with translate_errors(files.results):
        con.execute("CHECKPOINT")
        copy = files.results.with_name(files.results.name + ".next")
        shutil.copyfile(files.work, copy)
        os.replace(copy, files.results)


def finalize(files: ResultPaths, *, ended: bool, keep: bool) -> None:
    """Publish the last word of a run: that it ended, if so. The work file stays where `keep`."""
    with translate_errors(files.work), connect(files.work) as con:
        if ended:
            con.execute(
                "UPDATE runs SET finished = ? WHERE id = (SELECT max(id) FROM runs)", [now()]
            )
        if keep:
            publish(con, files)
        else:
            con.execute("CHECKPOINT")
    if not keep:
        with translate_errors(files.results):
            os.replace(files.work, files.results)


def now() -> str:
    """Wall time, for the record of the run: no fact depends on it."""
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
