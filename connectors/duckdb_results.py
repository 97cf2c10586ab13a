"""Results: every fact in one DuckDB file, exactly once.

    facts ──▶ buffer ──epoch──▶ one transaction, rows marked with its number ──▶ results.duckdb
    resume at number n: rows of later transactions are taken back first; the log brings them again

One partition of one sink owns the work file, beside the results; a reader only ever meets a whole
copy of it, put in the place of the results at once.
"""

import os
import shutil
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
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
PUBLISH_EVERY_S = 2.0
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


class Run(Struct, frozen=True):
    """What is written of the run itself."""

    version: str
    command: str
    job: str  # JSON
    instruments: tuple[Instrument, ...]


def work_file(results: Path) -> Path:
    """Where the results are made before they are published."""
    return results.with_name(results.name + ".making")


def connect(path: Path) -> Any:
    """Open the owner's connection; one thread, as the flow wants the others."""
    try:
        return duckdb.connect(str(path), config={"threads": 1, "memory_limit": "256MB"})
    except duckdb.Error as error:
        raise MisuseError(f"{path}: cannot be opened: {str(error).splitlines()[0]}") from None


def create(results: Path, run: Run) -> None:
    """Make a fresh work file with all tables; refuse to replace a file that is not ours."""
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
        counts = [column.name for column in columns(Quality) if column.sql == "BIGINT"]
        sums = ", ".join(f"sum({name})::BIGINT AS {name}" for name in counts)
        con.execute(QUALITY.format(sums=sums))
        con.execute(ddl("instruments", Instrument))
        listed = batch_of(Instrument, run.instruments)  # noqa: F841  # DuckDB reads it by its name
        con.execute("INSERT INTO instruments BY NAME SELECT * FROM listed")
        con.execute(RUNS)
        con.execute(
            "INSERT INTO runs VALUES (1, ?, NULL, ?, ?, ?)",
            [now(), run.version, run.command, run.job],
        )


def check_replaceable(results: Path) -> None:
    """Raise MisuseError where the results file holds something else."""
    if not results.exists():
        return
    try:
        with duckdb.connect(str(results), read_only=True) as con:
            ours = con.sql("FROM duckdb_tables() WHERE table_name = 'runs'").fetchall()
    except duckdb.Error:
        ours = []
    if not ours:
        raise MisuseError(
            f"{results} exists and holds no results of Tapeflow: name another file for --results"
        )


def finish(results: Path) -> None:
    """Say that the run has come to its end, and let the work file itself be the results."""
    work = work_file(results)
    with connect(work) as con:
        con.execute("UPDATE runs SET finished = ? WHERE finished IS NULL", [now()])
        con.execute("CHECKPOINT")
    os.replace(work, results)


def now() -> str:
    """Wall time, for the record of the run: no fact depends on it."""
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")


def owner_of(fact: Struct) -> str:
    """The key that every fact is written under: there is one owner."""
    return PART


class ResultsSink(FixedPartitionedSink[Struct, int]):
    """Facts into the tables of their types."""

    def __init__(self, results: Path, run: Run) -> None:
        """Write what becomes `results`."""
        self.results, self.run = results, run

    def list_parts(self) -> list[str]:
        """One owner."""
        return [PART]

    def build_part(self, step_id: str, for_part: str, resume_state: int | None) -> "ResultsPart":
        """Lay the file out, or take back what was written after the state that is resumed."""
        if resume_state is None:
            create(self.results, self.run)
        return ResultsPart(self.results, resume_state or 0)


class ResultsPart(StatefulSinkPartition[Struct, int]):
    """The owner of the file."""

    def __init__(self, results: Path, transaction: int) -> None:
        self.results = results
        self.con = connect(work_file(results))
        self.transaction = transaction
        self.facts: defaultdict[type, list[Struct]] = defaultdict(list)
        self.published_at = self.cost_s = 0.0
        self.con.begin()
        for topic in TOPICS:
            self.con.execute(f"DELETE FROM {topic.table} WHERE {TRANSACTION} > ?", [transaction])
        self.con.commit()
        self.publish()

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
            self.publish_when_due()
        return self.transaction

    def publish_when_due(self) -> None:
        """Publish every few seconds, and seldom enough to cost less than a twentieth of the run."""
        if monotonic() - self.published_at > max(PUBLISH_EVERY_S, 20 * self.cost_s):
            self.publish()

    def publish(self) -> None:
        """Put a whole copy in the place of the results."""
        began = monotonic()
        self.con.execute("CHECKPOINT")
        copy = self.results.with_name(self.results.name + ".next")
        shutil.copyfile(work_file(self.results), copy)
        os.replace(copy, self.results)
        self.published_at = monotonic()
        self.cost_s = self.published_at - began

    def close(self) -> None:
        """Publish what is sealed; what an epoch has not sealed was never written."""
        self.publish()
        self.con.close()
