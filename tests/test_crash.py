"""Killed anywhere, in any shape: the digest is that of an unbroken run.

The long form: python -m bench.crash --kills 1000
"""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, suppress

import pytest
from bytewax.recovery import init_db_dir

from bench.crash import HASTY, write_job
from bench.crashing import Crashing
from bench.processes import children_of
from tapeflow.connectors.duckdb.query import query
from tapeflow.engine.recovery import delete_unfinished_snapshots, resume_epoch
from tapeflow.schemas.errors import TapeflowError
from tests.running import REFERENCE, ROOT, digest, loaded, replay

GOLDEN = REFERENCE / "golden-heartbeat"


@pytest.mark.slow
def test_twelve_kills_over_tapes_change_nothing(tmp_path):
    expected = replay(GOLDEN, tmp_path / "unbroken.duckdb")
    source = [str(GOLDEN), "--speed", "20x"]
    crashing = Crashing(tmp_path, source, write_job(tmp_path), seed=1)
    assert crashing.run(kills=12, longest_s=2.5) == expected
    assert crashing.kills >= 12


@pytest.mark.slow
@pytest.mark.parametrize("packed", [(False,), (True, False, True)], ids=["plain", "mixed"])
def test_ten_kills_over_kafka_change_nothing(tmp_path, packed):
    expected = replay(GOLDEN, tmp_path / "unbroken.duckdb")
    with loaded(GOLDEN, packed=packed) as job:
        source = ["--from-topics", "--bootstrap", job.kafka.bootstrap, "--speed", "20x"]
        crashing = Crashing(tmp_path, source, write_job(tmp_path), seed=2)
        assert crashing.run(kills=10, longest_s=2.5) == expected
    assert crashing.kills >= 10


def live_run(folder, job, shape, bootstrap):
    command = [
        sys.executable, "-m", "tapeflow", "run", "--config", job, "--bootstrap", bootstrap,
        "--results", folder / "results.duckdb", "--state", folder / "state",
        "--processes", shape[0], "--workers", shape[1],
    ]  # fmt: skip
    with (folder / "stderr").open("ab") as errors:
        return subprocess.Popen(
            list(map(str, command)), cwd=ROOT, start_new_session=True,
            stdout=subprocess.DEVNULL, stderr=errors,
        )  # fmt: skip


def stop_when_idle(running, folder):
    """The digest of a live run that has read all there is, and was stopped."""
    deadline, bars, seen = time.monotonic() + 60, -1, 0
    while seen < 3:
        assert time.monotonic() < deadline and running.poll() is None, "it never came to rest"
        time.sleep(0.5)
        with suppress(TapeflowError):
            (now,) = query(folder / "results.duckdb", "SELECT count(*) FROM bars").rows[0]
            bars, seen = now, seen + 1 if now == bars and now > 2000 else 0
    running.terminate()
    assert running.wait(20) == 0, (folder / "stderr").read_text()
    return digest(folder / "results.duckdb")


@pytest.mark.slow
def test_ten_kills_of_a_live_run_change_nothing(tmp_path):
    """Its results are committed by another thread: what is not committed yet is in the state."""
    job = tmp_path / "job.toml"
    job.write_text(HASTY)
    draw = random.Random(5)
    with loaded(GOLDEN) as there:
        folders = [tmp_path / name for name in ("unbroken", "killed")]
        for folder in folders:
            folder.mkdir()
        at = there.kafka.bootstrap
        expected = stop_when_idle(live_run(folders[0], job, (1, 1), at), folders[0])
        for _ in range(10):
            running = live_run(folders[1], job, draw.choice([(1, 1), (1, 2), (2, 1)]), at)
            time.sleep(draw.uniform(0.9, 3.0))
            assert running.poll() is None, (folders[1] / "stderr").read_text()
            for child in [*children_of(running.pid), running.pid]:
                os.kill(child, signal.SIGKILL)
            running.wait()
        again = stop_when_idle(live_run(folders[1], job, (1, 1), at), folders[1])
    assert again == expected


@pytest.mark.slow
@pytest.mark.parametrize("seed", [3, 4])
def test_kills_between_the_two_commits_change_nothing(tmp_path, seed):
    expected = replay(GOLDEN, tmp_path / "unbroken.duckdb")
    source = [str(GOLDEN), "--speed", "40x"]
    crashing = Crashing(tmp_path, source, write_job(tmp_path), seed)
    crashing.only_between_commits = True
    assert crashing.run(kills=4, longest_s=2.5) == expected
    assert crashing.kills >= 1


def test_snapshots_of_an_epoch_that_was_never_finished_are_deleted(tmp_path):
    # ex 1 resumed at 4 and was killed when worker 1 had not finished epoch 5
    init_db_dir(tmp_path, 2)
    stores = sorted(tmp_path.glob("part-*.sqlite3"))
    rows: dict[int, list] = {
        0: [("exs", (0, 1, 1)), ("fronts", (1, 0, 6)), ("snaps", ("desk", "main", 4))],
        1: [("exs", (1, 2, 4)), ("fronts", (1, 1, 5)), ("fronts", (0, 0, 4))],
    }
    rows[1] += [("snaps", ("desk", "main", 5)), ("snaps", ("bars", "binance-0", 4))]
    columns = {
        "exs": "ex_num, worker_count, resume_epoch",
        "fronts": "ex_num, worker_index, worker_frontier",
        "snaps": "step_id, state_key, snap_epoch",
    }
    for number, several in rows.items():
        with closing(sqlite3.connect(stores[number])) as con, con:
            for table, row in several:
                con.execute(f"INSERT INTO {table} ({columns[table]}) VALUES (?, ?, ?)", row)
    assert resume_epoch(stores) == 5
    assert delete_unfinished_snapshots(tmp_path) == 1
    left = []
    for store in stores:
        with closing(sqlite3.connect(store)) as con:
            left += con.execute("SELECT step_id, snap_epoch FROM snaps").fetchall()
    assert sorted(left) == [("bars", 4), ("desk", 4)]


def test_a_store_in_which_nothing_has_run_is_left_alone(tmp_path):
    init_db_dir(tmp_path, 3)
    assert delete_unfinished_snapshots(tmp_path) == 0
