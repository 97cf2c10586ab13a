"""The work file stays open between the sink of a run and its end, where both are in one process.

    with passing_on(work):    sink ──pass_on──▶ the connection ──take──▶ complete, keep_partial

To open a file of DuckDB again costs 15 ms of CPU, and to close it 10.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_wanted: set[Path] = set()  # work files whose connection is to be passed on
_passed: dict[Path, Any] = {}


@contextmanager
def passing_on(work: Path) -> Iterator[None]:
    """Let `pass_on` keep a connection to the work file open, until the `with` block ends."""
    work = work.resolve()
    _wanted.add(work)
    try:
        yield
    finally:
        _wanted.discard(work)
        if (con := take(work)) is not None:
            con.close()


def pass_on(work: Path, con: Any, *, usable: bool) -> None:
    """Give up the owner's connection to the work file: it is closed where nobody wants it.

    `usable`: no write has failed on it.
    """
    if usable and work.resolve() in _wanted:
        _passed[work.resolve()] = con
    else:
        con.close()


def take(work: Path) -> Any | None:
    """Return the connection that was passed on, which is the caller's now; None where none was."""
    return _passed.pop(work.resolve(), None)
