"""The engine's recovery store in memory while a run lasts, with a copy on the disk that follows it.

    recovery/ ──lift─┬─▶ recovery.disk/ ◀──copy, every few seconds──┐ ──settle──▶ recovery/
                     └─▶ recovery ──link──▶ /dev/shm/tapeflow-x/ ───┘
                                            used by the engine

At the end of each epoch the engine waits for a dozen fsyncs, and an order that is due then waits
with it. Memory needs none, and is as good against the end of a process, by whatever signal: the
link leads to it. Where the machine itself goes down, the copy is some seconds older, of one moment,
and a run resumes from it as from any earlier epoch: results of later epochs are rolled back.
"""

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

from tapeflow.engine.recovery import STORES, is_complete
from tapeflow.engine.threads import PeriodicThread
from tapeflow.schemas.errors import TapeflowError
from tapeflow.schemas.notify import Notify

MEMORY = Path("/dev/shm")  # a file system in memory, on Linux
FREE_MIN = 256 << 20  # bytes: a store takes some tens of MiB
COPY_EVERY_S = 5.0
COPY_SUFFIX = ".disk"  # of the folder of the copy


@contextmanager
def in_memory(recovery: Path, notify: Notify, memory: Path = MEMORY) -> Iterator[None]:
    """Keep the store of a folder in memory inside the `with` block.

    Where that is not possible it stays on the disk, and the reason is said.
    """
    if reason := why_not(recovery, memory):
        notify(f"[recovery] store: {reason}: the state stays on the disk")
        yield
        return
    lift(recovery, memory)
    try:
        with PeriodicThread(partial(try_to_copy, recovery, notify), COPY_EVERY_S):
            yield
    finally:
        settle(recovery)


def why_not(recovery: Path, memory: Path) -> str:
    """Return why a store cannot be in memory; "" where it can."""
    if not memory.is_dir() or not os.access(memory, os.W_OK):
        return f"no folder {memory} that can be written"
    if shutil.disk_usage(memory).free < FREE_MIN:
        return f"less than {FREE_MIN >> 20} MiB free in {memory}"
    if len(list(recovery.glob(STORES))) > 1:
        return "it has several files, which cannot be copied at one moment"
    return ""


def lift(recovery: Path, memory: Path) -> None:
    """Move a store into a new folder in memory, and leave a link to it and a copy behind."""
    folder = Path(tempfile.mkdtemp(prefix="tapeflow-", dir=memory))
    for store in recovery.glob(STORES):
        with closing(sqlite3.connect(store)) as con:
            con.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # the file alone holds all of it now
        back_up(store, folder / store.name)
    os.replace(recovery, on_disk(recovery))
    recovery.symlink_to(folder)


def settle(recovery: Path) -> None:
    """Move the store of an earlier or an ending run back to the disk; nothing to do where it is.

    It is taken from memory where that still holds it, else from the copy. Raises TapeflowError
    where the disk cannot take it: it stays in memory then, for the next start.
    """
    if recovery.is_symlink() and on_disk(recovery).is_dir():  # else it is a link of the user's own
        folder = recovery.readlink()
        if folder.is_dir() and is_complete(folder):
            try:
                copy(recovery)
            except (OSError, sqlite3.Error) as error:
                raise TapeflowError(f"{on_disk(recovery)}: cannot be written: {error}") from None
        recovery.unlink()
        os.replace(on_disk(recovery), recovery)
        shutil.rmtree(folder, ignore_errors=True)
    elif on_disk(recovery).is_dir() and not recovery.exists():  # killed between the two steps
        os.replace(on_disk(recovery), recovery)


def try_to_copy(recovery: Path, notify: Notify) -> None:
    """Replace the copy on the disk; say it where that fails, as the copy is getting old."""
    try:
        copy(recovery)
    except (OSError, sqlite3.Error) as error:
        notify(f"[recovery] store: {on_disk(recovery)} cannot be written: {error}")


def copy(recovery: Path) -> None:
    """Replace the copy on the disk by the store as it is now."""
    for store in recovery.glob(STORES):
        copied = on_disk(recovery) / store.name
        unfinished = copied.with_suffix(".next")
        unfinished.unlink(missing_ok=True)
        back_up(store, unfinished)
        for stale in on_disk(recovery).glob(f"{store.name}-*"):  # logs of the copy before
            stale.unlink()
        os.replace(unfinished, copied)


def back_up(store: Path, copied: Path) -> None:
    """Write a store as it is at one moment to a new file, and wait until it is there."""
    with closing(sqlite3.connect(store)) as source, closing(sqlite3.connect(copied)) as target:
        source.backup(target)


def on_disk(recovery: Path) -> Path:
    """Return the folder of the copy."""
    return recovery.with_name(recovery.name + COPY_SUFFIX)
