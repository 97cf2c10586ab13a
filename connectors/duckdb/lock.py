"""The lock of a results file: one run at a time writes it."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tapeflow.connectors.duckdb.file import sibling, translate_errors
from tapeflow.schemas.errors import TapeflowError


@contextmanager
def exclusive_lock(results: Path) -> Iterator[None]:
    """Lock the results for one run; TapeflowError where another run is writing them."""
    path = sibling(results, ".lock")
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


def is_locked(results: Path) -> bool:
    """Return whether a run is writing these results now."""
    with suppress(OSError), sibling(results, ".lock").open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
