"""Killed anywhere, in any shape: the answer is that of an unbroken run.

The long form: python -m bench.crash --kills 200
"""

import sqlite3
from contextlib import closing

import pytest
from bytewax.recovery import init_db_dir

from connectors.recovery_store import forget_unsealed, resume_epoch
from tests.crashing import Crashing
from tests.running import JOB, REFERENCE, loaded, replay

GOLDEN = REFERENCE / "golden-heartbeat"
HASTY = '[recovery]\nepoch = "100ms"\n[source]\npage = 50\nlead = "2s"\n'


def job_file(folder):
    path = folder / "job.toml"
    path.write_text(HASTY + JOB.read_text())
    return path


@pytest.mark.slow
def test_twelve_kills_over_tapes_change_nothing(tmp_path):
    expected = replay(GOLDEN, tmp_path / "unbroken.duckdb")
    source = [str(GOLDEN), "--speed", "20x"]
    crashing = Crashing(tmp_path, source, job_file(tmp_path), seed=1)
    assert crashing.run(kills=12, longest_s=2.5) == expected
    assert crashing.kills >= 12


@pytest.mark.slow
@pytest.mark.parametrize("packed", [(False,), (True, False, True)], ids=["plain", "mixed"])
def test_ten_kills_over_kafka_change_nothing(tmp_path, packed):
    expected = replay(GOLDEN, tmp_path / "unbroken.duckdb")
    with loaded(GOLDEN, packed=packed) as job:
        source = ["--from-topics", "--bootstrap", job.kafka.bootstrap, "--speed", "20x"]
        crashing = Crashing(tmp_path, source, job_file(tmp_path), seed=2)
        assert crashing.run(kills=10, longest_s=2.5) == expected
    assert crashing.kills >= 10


@pytest.mark.slow
@pytest.mark.parametrize("seed", [3, 4])
def test_kills_between_the_two_commits_change_nothing(tmp_path, seed):
    expected = replay(GOLDEN, tmp_path / "unbroken.duckdb")
    source = [str(GOLDEN), "--speed", "40x"]
    crashing = Crashing(tmp_path, source, job_file(tmp_path), seed)
    crashing.only_between_commits = True
    assert crashing.run(kills=4, longest_s=2.5) == expected
    assert crashing.kills >= 1


def test_snapshots_of_an_epoch_that_was_never_finished_are_forgotten(tmp_path):
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
    assert forget_unsealed(tmp_path) == 1
    left = []
    for store in stores:
        with closing(sqlite3.connect(store)) as con:
            left += con.execute("SELECT step_id, snap_epoch FROM snaps").fetchall()
    assert sorted(left) == [("bars", 4), ("desk", 4)]


def test_a_store_in_which_nothing_has_run_is_left_alone(tmp_path):
    init_db_dir(tmp_path, 3)
    assert forget_unsealed(tmp_path) == 0
