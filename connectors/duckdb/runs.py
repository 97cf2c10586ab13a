"""The runs that made a results file: their rows in table `runs`, and what the file shows.

begin_run ──▶ mark "committed", each epoch ──▶ mark "finished" or "stopped"
└─▶ killed, or failed: neither

results.duckdb: unfinished: the replay started 2026-11-26 14:00:00 was stopped; it shows the log
up to 2025-01-01 00:12:31, committed 2026-11-26 14:00:07
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
from msgspec import Struct

from tapeflow.connectors.duckdb.file import ResultPaths, connect_sealed, sibling
from tapeflow.connectors.duckdb.lock import is_locked
from tapeflow.connectors.duckdb.tables import INTERNAL, RunInfo
from tapeflow.schemas.errors import TapeflowError
from tapeflow.schemas.registry import FACT_TYPES, OPEN_MINUTES
from tapeflow.schemas.tables import columns

LAST_RUN = "id = (SELECT max(id) FROM runs)"
RUN = f"SELECT command, started, committed, stopped, finished FROM runs WHERE {LAST_RUN}"


class Status(Struct, frozen=True):
    """What a results file shows; times in UTC, as in table `runs`."""

    command: str  # of the last run
    started: datetime
    committed: datetime | None
    stopped: datetime | None
    finished: datetime | None

    def describe_reach(self, log_time: str | None) -> str:
        """Return up to where the file goes; `log_time` is that of its last fact."""
        if log_time is None:
            return "it holds no facts yet"
        return f"it shows the log up to {log_time}, committed {to_second(self.committed)}"


def begin_run(con: Any, run: RunInfo) -> None:
    """Add a row to `runs`: a run has begun, or has resumed and goes on with its open minutes.

    Instruments of earlier runs stay, as facts of them do.
    """
    from tapeflow.connectors.duckdb.insertion import put_instruments  # noqa: PLC0415  # slow

    put_instruments(con, run)
    con.execute(f"DELETE FROM {INTERNAL}.{OPEN_MINUTES}")
    con.execute(
        "INSERT INTO runs SELECT coalesce(max(id), 0) + 1, ?, NULL, NULL, NULL, ?, ?, ?, ? "
        "FROM runs",
        [now(), run.version, run.command, run.job, run.strategies],
    )


def mark(con: Any, column: str) -> None:
    """Write the present time into a column of the last run."""
    con.execute(f"UPDATE runs SET {column} = ? WHERE {LAST_RUN}", [now()])


def now() -> str:
    """Return the wall time in UTC for the table `runs`; no fact depends on it."""
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")


def to_second(time: datetime | None) -> str:
    """Return a time as text without its fraction of a second."""
    return "never" if time is None else f"{time:%Y-%m-%d %H:%M:%S}"


def read_status(con: Any) -> Status | None:
    """Return what a file shows; None where it is of another version or no run has begun."""
    try:
        found = con.execute(RUN).fetchall()
        return Status(*found[0]) if found else None
    except duckdb.Error:
        return None


def last_log_time(con: Any) -> str | None:
    """Return the log time of the last fact, to the second; None where there is none.

    It looks at every table.
    """
    first_keys = {
        fact.table: next(c.name for c in columns(fact.type) if c.field in {"log_ns", "time_ns"})
        for fact in FACT_TYPES
    }
    latest = " UNION ALL ".join(
        f'SELECT max("{column}") AS time FROM {table}' for table, column in first_keys.items()
    )
    sql = f"SELECT strftime(max(time), '%Y-%m-%d %H:%M:%S') FROM ({latest})"
    found: str | None = con.execute(sql).fetchall()[0][0]
    return found


def describe(results: Path, con: Any) -> str | None:
    """Return a line that says what a file shows where that is not a finished answer alone."""
    status = read_status(con)
    if status is None:
        return None
    if status.finished is None:
        try:
            log_time = last_log_time(con)
        except duckdb.Error:  # of another version
            return None
        run = f"the {status.command} started {to_second(status.started)}"
        if status.stopped is not None:
            end = f"was stopped {to_second(status.stopped)}"
        elif is_locked(results):
            end = "is writing it"
        else:
            end = "was killed or failed"
        return f"{results}: unfinished: {run} {end}; {status.describe_reach(log_time)}"
    return describe_partial(results, status)


def describe_partial(results: Path, shown: Status) -> str | None:
    """Return a line about a later replay that did not finish; None where there is none."""
    partial = ResultPaths.for_stateless_run(results).partial
    if not partial.exists() or is_locked(results):
        return None
    try:
        with connect_sealed(partial, {}, read_only=True) as con:
            later = read_status(con)
    except TapeflowError:
        return None
    if later is None or later.started <= shown.started:
        return None
    return (
        f"{results}: finished {to_second(shown.finished)}; a later {later.command} did not finish: "
        f"query it with --results {partial}"
    )


def describe_absent(results: Path) -> str:
    """Return why there are no results to read, and what to do."""
    partial = sibling(results, ".partial")
    if is_locked(results):
        return f"{results} does not exist yet: the run that makes it is not at its end"
    if partial.exists():
        return (
            f"{results} does not exist, as its replay did not finish: query what it committed "
            f"with --results {partial}"
        )
    return f"{results} does not exist: run `tapeflow replay` first, or name it with --results"
