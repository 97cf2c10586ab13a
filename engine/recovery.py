"""The engine's recovery store: what Bytewax 0.21.1 leaves undone in it after a crash.

    epoch       4        5                 killed while epoch 5 was being sealed:
    desk        s4       s5 (stale)        only some steps have kept a state of it
    source      s4       -
    resume at 5 from s4. A step given nothing in epoch 5 keeps nothing: its stale s5 stays
    resume at 6 from desk s5 and source s5': of two different lives

Bytewax resumes rightly once, from before the epoch it had not finished, but never deletes the
snapshots of that epoch. If a step's key is not touched when the epoch is lived again, the stale one
counts as its newest from then on, and two crashes in a row put together what does not belong
together. So before every start what lies at or behind the epoch to resume from is deleted here.
"""

import sqlite3
from contextlib import closing
from pathlib import Path


def delete_unfinished_snapshots(folder: Path) -> int:
    """Delete the snapshots of epochs that were never finished; how many there were."""
    stores = sorted(folder.glob("part-*.sqlite3"))
    epoch = resume_epoch(stores)
    if epoch is None:
        return 0
    deleted = 0
    for store in stores:
        with closing(sqlite3.connect(store)) as con, con:
            deleted += con.execute("DELETE FROM snaps WHERE snap_epoch >= ?", [epoch]).rowcount
    return deleted


def resume_epoch(stores: list[Path]) -> int | None:
    """The epoch that the engine will resume at: the least that a worker of the last execution had.

    None where nothing has run yet.
    """
    executions: list[tuple[int, int, int]] = []
    frontiers: dict[int, dict[int, int]] = {}
    for store in stores:
        with closing(sqlite3.connect(store)) as con:
            executions += con.execute("SELECT ex_num, worker_count, resume_epoch FROM exs")
            for number, worker, epoch in con.execute(
                "SELECT ex_num, worker_index, worker_frontier FROM fronts"
            ):
                frontiers.setdefault(number, {})[worker] = epoch
    if not executions:
        return None
    number, workers, began = max(executions)
    reached = frontiers.get(number, {})
    return min(reached.get(worker, began) for worker in range(workers))
