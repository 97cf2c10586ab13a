"""End the results of a run: a finished answer replaces the earlier one, an unfinished one does not.

complete       the log was read to its end      ─▶ results.duckdb
stop_live      a signal ended a run             ─▶ results.duckdb
keep_partial   a replay was stopped, or failed  ─▶ results.duckdb.partial, next to the old one
"""

import fcntl
from pathlib import Path
from typing import Any

import duckdb

from tapeflow.connectors.duckdb.file import (
    HOLDER,
    ResultPaths,
    connect_owner,
    delete_database,
    explain,
    publish,
    replace_database,
    translate_errors,
)
from tapeflow.connectors.duckdb.runs import last_log_time, mark, read_status
from tapeflow.schemas.errors import TapeflowError


def complete(paths: ResultPaths, *, keep: bool) -> None:
    """Replace the results by those of a log that was read to its end.

    `keep`: a state directory keeps the work file; else it becomes the results file.

    Raises TapeflowError where another program writes the results file: the answer stays in the
    work file.
    """
    with translate_errors(paths.work), connect_owner(paths.work) as con:
        mark(con, "finished")
        con.execute("CHECKPOINT")
        check_free(paths)
        if keep:
            publish(con, paths.work, paths.results)
    with translate_errors(paths.results):
        if not keep:
            replace_database(paths.work, paths.results)
        elif paths.work != paths.partial:
            delete_database(paths.partial)


def check_free(paths: ResultPaths) -> None:
    """Raise TapeflowError where another program writes the results file."""
    if not paths.results.exists() or not is_written(paths.results):
        return
    try:  # to learn who it is
        duckdb.connect(str(paths.results), read_only=True).close()
    except duckdb.Error as error:
        if HOLDER.search(str(error)):
            line = f"{explain(paths.results, error)}: the finished answer is in {paths.work}"
            raise TapeflowError(line) from None


def is_written(path: Path) -> bool:
    """Return whether another process has the lock of a file that DuckDB takes to write it."""
    with path.open("rb") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
    return False


def stop_live(paths: ResultPaths) -> None:
    """Publish the results of a run that a signal has ended."""
    with translate_errors(paths.work), connect_owner(paths.work) as con:
        mark(con, "stopped")
        publish(con, paths.work, paths.results)


def keep_partial(paths: ResultPaths, *, stopped: bool) -> str:
    """Make the partial file of a replay that was stopped, or has failed, and say what it holds.

    Returns "" after a failure before the first facts: no file is left then.
    """
    with translate_errors(paths.work), connect_owner(paths.work) as con:
        if stopped:
            mark(con, "stopped")
        log_time = None if read_status(con) is None else last_log_time(con)
        if log_time is not None or stopped:
            write_partial(con, paths)
    if log_time is not None:
        return f"{paths.partial} holds the log up to {log_time}"
    if stopped:
        return f"{paths.partial} holds no facts yet"
    if paths.work == paths.partial:
        delete_database(paths.work)
    return ""


def write_partial(con: Any, paths: ResultPaths) -> None:
    """Make the partial file whole: the work file itself, or a copy of it."""
    if paths.work == paths.partial:
        con.execute("CHECKPOINT")
    else:
        publish(con, paths.work, paths.partial)
