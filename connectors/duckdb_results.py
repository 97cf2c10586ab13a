"""Results: every fact in one DuckDB file, exactly once.

    facts ──▶ buffer ──epoch──▶ one transaction, rows marked with its number ──end──▶ results.duckdb
    resume at number n: rows of later transactions are taken back first; the log brings them again

One partition of one sink owns the file. It works beside the results, so that a reader never meets a
half-made file, and what was there stays until the run has succeeded.
"""

import os
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition
from msgspec import Struct

from schemas.errors import MisuseError
from schemas.instruments import Instrument
from schemas.market import Quality
from schemas.tables import batch_of, columns, ddl
from schemas.topics import BY_TYPE, TOPICS

TRANSACTION = "_txn"  # column: number of the transaction that wrote the row
PART = "results"
RUNS = """
    CREATE TABLE runs (
        id BIGINT, started TIMESTAMP_NS, finished TIMESTAMP_NS, version VARCHAR, command VARCHAR, job JSON
    )
"""
QUALITY = """
    CREATE VIEW data_quality AS
    SELECT partition, instrument, min(time) AS first_minute, max(time) AS last_minute,
        {sums}
    FROM data_quality_minutes GROUP BY partition, instrument ORDER BY partition, instrument
"""


def work_file(results: Path) -> Path:
    """Where the results are made before they are published."""
    return results.with_name(results.name + ".making")


def connect(path: Path) -> Any:
    """Open the owner's connection; one thread, as the flow wants the others."""
    try:
        return duckdb.connect(str(path), config={"threads": 1, "memory_limit": "256MB"})
    except duckdb.Error as error:
        raise MisuseError(f"{path}: cannot be opened: {str(error).splitlines()[0]}") from None


def create(results: Path, instruments: Iterable[Instrument], run: Mapping[str, str]) -> None:
    """Make a fresh work file with all tables; refuse to replace a file that is no results of ours."""
    check_replaceable(results)
    work = work_file(results)
    try:
        work.parent.mkdir(parents=True, exist_ok=True)
        for stale in (work, work.with_name(work.name + ".wal")):
            stale.unlink(missing_ok=True)
    except OSError as error:
        raise MisuseError(f"{results}: cannot be written: {error.strerror}") from None
    with connect(work) as con:
        for topic in TOPICS:
            con.execute(ddl(topic.table, topic.type, [f"{TRANSACTION} BIGINT"]))
        counts = [each.name for each in columns(Quality) if each.sql == "BIGINT"]
        con.execute(QUALITY.format(sums=", ".join(f"sum({name})::BIGINT AS {name}" for name in counts)))
        con.execute(ddl("instruments", Instrument))
        listed = batch_of(Instrument, instruments)  # noqa: F841  # DuckDB reads it by its name
        con.execute("INSERT INTO instruments BY NAME SELECT * FROM listed")
        con.execute(RUNS)
        con.execute(
            "INSERT INTO runs VALUES (1, ?, NULL, ?, ?, ?)",
            [now(), run["version"], run["command"], run["job"]],
        )


def check_replaceable(results: Path) -> None:
    """Raise MisuseError where the results file holds something else."""
    if not results.exists():
        return
    try:
        with duckdb.connect(str(results), read_only=True) as con:
            ours = con.execute("SELECT count(*) FROM duckdb_tables() WHERE table_name = 'runs'").fetchone()
    except duckdb.Error:
        ours = (0,)
    if not ours[0]:
        raise MisuseError(f"{results} exists and holds no results of Tapeflow: name another file for --results")


def publish(results: Path) -> None:
    """Let the finished work become the results, at once and whole."""
    work = work_file(results)
    with connect(work) as con:
        con.execute("UPDATE runs SET finished = ? WHERE finished IS NULL", [now()])
        con.execute("CHECKPOINT")
    os.replace(work, results)


def discard(results: Path) -> None:
    """Take the unfinished work away; older results stay."""
    work = work_file(results)
    for left in (work, work.with_name(work.name + ".wal")):
        left.unlink(missing_ok=True)


def now() -> str:
    """Wall time, for the record of the run: no fact depends on it."""
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")


class ResultsSink(FixedPartitionedSink[Struct, int]):
    """Facts into the tables of their types."""

    def __init__(self, results: Path) -> None:
        """Write beside `results`, where `create` has laid the tables out."""
        self.work = work_file(results)

    def list_parts(self) -> list[str]:
        """One owner."""
        return [PART]

    def build_part(self, step_id: str, for_part: str, resume_state: int | None) -> "ResultsPart":
        """Open the file, and take back what was written after the state that is resumed."""
        return ResultsPart(self.work, resume_state or 0)


class ResultsPart(StatefulSinkPartition[Struct, int]):
    """The owner of the file."""

    def __init__(self, work: Path, transaction: int) -> None:
        self.con = connect(work)
        self.transaction = transaction
        self.facts: defaultdict[type, list[Struct]] = defaultdict(list)
        self.con.begin()
        for topic in TOPICS:
            self.con.execute(f"DELETE FROM {topic.table} WHERE {TRANSACTION} > ?", [transaction])
        self.con.commit()

    def write_batch(self, values: list[Struct]) -> None:
        """Keep facts for the end of the epoch."""
        for fact in values:
            self.facts[type(fact)].append(fact)

    def snapshot(self) -> int:
        """Write the epoch's facts in one transaction; its number is what a resume goes back to."""
        if self.facts:
            self.transaction += 1
            self.con.begin()
            for kind, facts in self.facts.items():
                batch = batch_of(kind, facts)  # noqa: F841  # DuckDB reads it by its name
                self.con.execute(
                    f"INSERT INTO {BY_TYPE[kind].table} BY NAME "
                    f"SELECT *, {self.transaction}::BIGINT AS {TRANSACTION} FROM batch"
                )
            self.con.commit()
            self.facts.clear()
        return self.transaction

    def close(self) -> None:
        """Let go of the file; what an epoch has not sealed was never written."""
        self.con.close()
