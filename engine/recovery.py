"""The engine's recovery store: its creation, and repair of what Bytewax 0.21.1 leaves undone in it.

    epoch       4        5                 killed while epoch 5 was being written:
    desk        s4       s5 (stale)        only some steps have a snapshot of it
    source      s4       -
    resume at 5 from s4. A step with no input in epoch 5 takes no snapshot: its stale s5 stays
    resume at 6 from desk s5 and source s5': of two different executions

Bytewax resumes correctly once, from before the unfinished epoch, but never deletes the snapshots of
that epoch. If a key has no input when the epoch runs again, its stale snapshot counts as its newest
from then on, and a second crash combines snapshots that do not belong together. So before every
start the snapshots of the resume epoch and of later ones are deleted here.
"""

import pickle
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from bytewax.recovery import init_db_dir

PARTITIONS = 1  # fixed once the store exists; each is a SQLite file with its own fsyncs
STORES = "part-*.sqlite3"


def create_store(folder: Path) -> None:
    """Create the engine's store in a new folder. The engine cannot use one that is cut off."""
    folder.mkdir()
    init_db_dir(folder, PARTITIONS)  # type: ignore[no-untyped-call]


def is_complete(folder: Path) -> bool:
    """Return whether a folder holds all of a store, so that the engine can start on it."""
    stores = list(folder.glob(STORES))
    try:
        counts = {
            count for store in stores for (count,) in read(store, "SELECT part_count FROM parts")
        }
    except sqlite3.DatabaseError:
        return False
    return counts == {len(stores)}


def has_begun(folder: Path) -> bool:
    """Return whether the engine may have run on a store, so that something may be in it.

    False only where all that a folder holds is a store of `create_store`, finished or not.
    """
    stores = set(folder.glob(STORES))
    if set(folder.iterdir()) - stores - set(folder.glob(f"{STORES}-*")):  # SQLite's own, beside
        return True
    try:
        return any(
            read(store, f"SELECT 1 FROM {table}")
            for store in stores
            for (table,) in read(store, "SELECT name FROM sqlite_master WHERE name = 'exs'")
        )
    except sqlite3.DatabaseError:
        return True


def read(store: Path, query: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    """Return the rows of a query to one file of a store."""
    with closing(sqlite3.connect(store)) as con:
        return con.execute(query, values).fetchall()


def read_snapshot(folder: Path, step: str, key: str) -> Any:
    """Return the snapshot with which the engine will resume a key of a step, None without one.

    As the engine does, it unpickles what is there: a store is a file of our own.
    """
    stores = sorted(folder.glob(STORES))
    values = (step, key, resume_epoch(stores))
    query = """
        SELECT snap_epoch, ser_change FROM snaps
        WHERE step_id = ? AND state_key = ? AND snap_epoch < ? AND ser_change IS NOT NULL
    """
    found = [row for store in stores for row in read(store, query, values)]
    return pickle.loads(max(found)[1]) if found else None


def delete_unfinished_snapshots(folder: Path) -> int:
    """Delete the snapshots of epochs that were never finished; return how many there were."""
    stores = sorted(folder.glob(STORES))
    epoch = resume_epoch(stores)
    if epoch is None:
        return 0
    deleted = 0
    for store in stores:
        with closing(sqlite3.connect(store)) as con, con:
            deleted += con.execute("DELETE FROM snaps WHERE snap_epoch >= ?", [epoch]).rowcount
    return deleted


def resume_epoch(stores: list[Path]) -> int | None:
    """Return the epoch that the engine will resume at; None where nothing has run yet.

    It is the lowest frontier of the last execution's workers; a worker that wrote none is still
    at the epoch where that execution began.
    """
    executions: list[tuple[int, int, int]] = []
    frontiers: dict[int, dict[int, int]] = {}
    for store in stores:
        with closing(sqlite3.connect(store)) as con:
            executions += con.execute("SELECT ex_num, worker_count, resume_epoch FROM exs")
            for execution, worker, epoch in con.execute(
                "SELECT ex_num, worker_index, worker_frontier FROM fronts"
            ):
                frontiers.setdefault(execution, {})[worker] = epoch
    if not executions:
        return None
    execution, workers, first_epoch = max(executions)
    frontier = frontiers.get(execution, {})
    return min(frontier.get(worker, first_epoch) for worker in range(workers))
