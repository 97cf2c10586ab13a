"""The results file: who may write it, and how it is replaced by a whole answer.

    replay             results.duckdb.partial ──at the end of the log, rename──▶ results.duckdb
    replay --state     DIR/work.duckdb ──at the end, copy──▶ results.duckdb
                                       └─stopped before, copy──▶ results.duckdb.partial
    run                <results>.state/work.duckdb ──copy, every few seconds──▶ results.duckdb

A file that holds anything but results of Tapeflow, or that another program writes, is never
replaced.
"""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
from msgspec import Struct

from tapeflow.connectors.duckdb.handover import take
from tapeflow.schemas.errors import TapeflowError, UsageError

SET_UTC = "SET GLOBAL TimeZone = 'UTC'"  # of TIMESTAMPTZ: a reader's own zone changes no answer
SEALED = {  # no query reads or writes a file of the host, or a variable of this program
    "enable_external_access": "false",
    "python_enable_replacements": "false",
}
OWNER = {"threads": "1", "memory_limit": "256MB"}  # the flow needs the other threads
HOLDER = re.compile(r"held in (.+?) \(PID (\d+)\)")


class OutOfMemoryError(TapeflowError):
    """The memory limit of the owner of a file left no room."""


class ResultPaths(Struct, frozen=True):
    """The work file, and the file in which results are published."""

    results: Path
    work: Path

    @classmethod
    def for_stateless_run(cls, results: Path) -> "ResultPaths":
        """Return the paths of a run without a state directory: its work file is the partial."""
        return cls(results, sibling(results, ".partial"))

    @property
    def partial(self) -> Path:
        """The file with what was committed by a replay that did not come to its end."""
        return sibling(self.results, ".partial")


def sibling(path: Path, suffix: str) -> Path:
    """Return the file next to `path` whose name has `suffix` added."""
    return path.with_name(path.name + suffix)


def connect_owner(path: Path) -> Any:
    """Open the owner's connection to the work file, or take the one that its sink has passed on.

    Raises TapeflowError where it cannot be opened.
    """
    passed = take(path)
    return connect_sealed(path, OWNER) if passed is None else passed


def connect_sealed(path: Path, config: dict[str, str], *, read_only: bool = False) -> Any:
    """Open a file for users' queries too: in UTC, without access to anything else.

    Raises TapeflowError where it cannot be opened.
    """
    try:
        con = duckdb.connect(str(path), read_only=read_only, config={**SEALED, **config})
        locked = con.execute("SELECT current_setting('lock_configuration')").fetchall()
        if locked == [(False,)]:  # else this process has the file open already
            con.execute(f"{SET_UTC}; SET lock_configuration = true")
        return con
    except duckdb.Error as error:
        raise TapeflowError(explain(path, error)) from None


def explain(path: Path, error: duckdb.Error) -> str:
    """Return one line that says why a file cannot be opened."""
    if held := HOLDER.search(str(error)):
        program, process = held.groups()
        return f"{path} is being written by another program: {program} (PID {process}); close it"
    return f"{path}: cannot be opened: {first_line(error)}"


def first_line(error: duckdb.Error) -> str:
    """Return the first line of an error of DuckDB."""
    return str(error).splitlines()[0]


@contextmanager
def translate_errors(path: Path) -> Iterator[None]:
    """Raise errors of the file system and of DuckDB as a TapeflowError that names the file."""
    try:
        yield
    except OSError as error:
        raise TapeflowError(f"{path}: cannot be written: {error.strerror}") from None
    except duckdb.OutOfMemoryException as error:
        raise OutOfMemoryError(f"{path}: {first_line(error)}") from None
    except duckdb.Error as error:
        raise TapeflowError(f"{path}: cannot be written: {first_line(error)}") from None


def delete_database(path: Path) -> None:
    """Delete a file of DuckDB, with what DuckDB keeps next to it."""
    path.unlink(missing_ok=True)
    sibling(path, ".wal").unlink(missing_ok=True)
    shutil.rmtree(sibling(path, ".tmp"), ignore_errors=True)


def check_replaceable(results: Path) -> None:
    """Raise TapeflowError where the results file holds something else, or is being written."""
    if not results.exists():
        return
    check_is_file(results)
    try:
        with duckdb.connect(str(results), read_only=True) as con:
            con.execute("FROM runs LIMIT 0")
    except duckdb.Error as error:
        if HOLDER.search(str(error)):
            raise TapeflowError(f"{explain(results, error)}, or name another file") from None
        raise TapeflowError(
            f"{results} exists and holds no results of Tapeflow: name another file for --results"
        ) from None


def reopen(work: Path) -> Any:
    """Return the owner's connection to the work file of a state.

    Raises TapeflowError where that is gone, or cannot be opened.
    """
    if not work.exists():
        raise TapeflowError(
            f"{work} is gone, with the results up to which its state has read: put it back, or "
            "start with a fresh --state"
        )
    return connect_owner(work)


def check_is_file(results: Path) -> None:
    """Raise UsageError where the results are a folder."""
    if results.is_dir():
        raise UsageError(f"{results} is a folder: name a file")


def publish(con: Any, work: Path, target: Path) -> None:
    """Replace `target` by a whole copy of the work file; open readers keep the old one."""
    with translate_errors(target):
        con.execute("CHECKPOINT")
        copy = sibling(target, ".next")
        try:
            shutil.copyfile(work, copy)
            replace_database(copy, target)
        except OSError:
            copy.unlink(missing_ok=True)
            raise


def replace_database(source: Path, target: Path) -> None:
    """Rename a file of DuckDB over another one, whose log of writes is void then."""
    sibling(target, ".wal").unlink(missing_ok=True)
    os.replace(source, target)
