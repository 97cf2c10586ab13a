"""A state directory: whatever a killed start has left of it, the next one goes on, or says why not.

The long form of the kills: KILLS=200 python -m pytest tests/test_state.py -m slow
"""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, suppress

import duckdb
import pytest

from bench.processes import children_of
from tapeflow.connectors.state import directory
from tapeflow.engine import recovery
from tapeflow.flows.run.plan import Plan
from tapeflow.flows.run.run import run_plan
from tapeflow.flows.run.tape_files import find_tapes
from tapeflow.schemas.errors import TapeflowError
from tests.running import REFERENCE, ROOT, digest, job_of, job_text, replay, silent

GOLDEN = REFERENCE / "golden-heartbeat"
KILLS = int(os.environ.get("KILLS", "20"))


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    return replay(GOLDEN, tmp_path_factory.mktemp("unbroken") / "results.duckdb")


def run_on(folder):
    job = job_of(recovery={"epoch": 100_000_000})
    log = find_tapes([GOLDEN], job)
    results, state = folder / "results.duckdb", folder / "state"
    run_plan(Plan(command="t", log=log, job=job, results=results, state=state), silent, silent)
    return digest(results)


def half_made(name, store):
    """What a kill can leave of a store that is made in place."""
    if name == "folder":
        return
    path = store / "part-0.sqlite3"
    if name in ("created", "journal"):
        path.touch()
    if name == "journal":
        (store / "part-0.sqlite3-journal").touch()
    if name in ("tables", "no row"):
        with closing(sqlite3.connect(path)) as con, con:
            con.execute("CREATE TABLE parts (part_index INTEGER, part_count INTEGER)")
            if name == "no row":
                con.execute("CREATE TABLE exs (ex_num INTEGER)")
    if name == "whole":
        store.rmdir()
        recovery.create_store(store)


@pytest.mark.parametrize("place", ["recovery", "recovery.next"])
@pytest.mark.parametrize("name", ["folder", "created", "journal", "tables", "no row", "whole"])
def test_a_store_in_which_nothing_has_run_is_no_obstacle(tmp_path, expected, place, name):
    store = tmp_path / "state" / place
    store.mkdir(parents=True)
    half_made(name, store)
    assert run_on(tmp_path) == expected
    assert os.listdir(tmp_path / "state" / "recovery") == ["part-0.sqlite3"]


def test_a_start_that_is_killed_while_it_creates_its_state_is_no_obstacle(
    tmp_path, expected, monkeypatch
):
    def killed(folder):
        folder.mkdir()
        (folder / "part-0.sqlite3").touch()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(directory, "create_store", killed)
        run_on(tmp_path)
    assert run_on(tmp_path) == expected


@pytest.mark.parametrize("damage", ["gone", "emptied", "cut off", "no database"])
def test_a_committed_state_that_has_lost_its_store_is_refused_not_begun_afresh(tmp_path, damage):
    run_on(tmp_path)
    store = tmp_path / "state" / "recovery" / "part-0.sqlite3"
    if damage == "gone":
        store.unlink()
        store.parent.rmdir()
    else:
        content = {"emptied": b"", "cut off": store.read_bytes()[:5000], "no database": b"x" * 9999}
        store.write_bytes(content[damage])
    with pytest.raises(TapeflowError, match=r"recovery/ is gone or damaged.*another --state"):
        run_on(tmp_path)


def test_a_committed_state_that_has_lost_its_manifest_is_refused_not_begun_afresh(tmp_path):
    run_on(tmp_path)
    (tmp_path / "state" / "manifest.json").unlink()
    with pytest.raises(TapeflowError, match=r"manifest\.json is gone.*another --state"):
        run_on(tmp_path)
    assert recovery.has_begun(tmp_path / "state" / "recovery")


def test_a_work_file_whose_tables_a_kill_left_unmade_is_made_again(tmp_path, expected):
    (tmp_path / "state").mkdir()
    duckdb.connect(str(tmp_path / "state" / "work.duckdb")).close()
    assert run_on(tmp_path) == expected


@pytest.mark.parametrize("name", ["notes.txt", "part-0.sqlite3"])
def test_a_folder_of_something_else_is_never_deleted(tmp_path, name):
    foreign = tmp_path / "state" / "recovery" / name
    foreign.parent.mkdir(parents=True)
    foreign.write_text("not ours")
    with pytest.raises(TapeflowError, match="name another --state"):
        run_on(tmp_path)
    assert foreign.read_text() == "not ours"


@pytest.mark.slow
def test_kills_in_the_first_moments_leave_a_state_that_the_next_start_takes(tmp_path, expected):
    """Each life is killed at a random moment, mostly of its first start; then one ends."""
    job, draw = tmp_path / "job.toml", random.Random(11)
    job.write_text(job_text('[recovery]\nepoch = "50ms"\n', source="page_records = 50\n"))
    for number in range(KILLS):
        folder = tmp_path / str(number)
        command = [
            sys.executable, "-m", "tapeflow", "replay", GOLDEN, "--config", job, "--results",
            folder / "results.duckdb", "--state", folder / "state",
            "--processes", draw.choice([1, 1, 1, 2]),
        ]  # fmt: skip
        lives: list[list[str | None]] = [["state"], ["recovery"], ["state", "recovery"], [None]]
        for watched in draw.choice(lives):
            kill_soon(list(map(str, command)), folder, watched, draw)
        ended = subprocess.run(
            list(map(str, command)), cwd=ROOT, check=False, capture_output=True, text=True
        )
        assert ended.returncode == 0, ended.stderr
        assert digest(folder / "results.duckdb") == expected


def kill_soon(command, folder, watched, draw):
    """Start, and kill shortly after a folder has appeared, or anywhen in the first 2 seconds."""
    folder.mkdir(exist_ok=True)
    path = {"state": "state", "recovery": "state/recovery/part-0.sqlite3", None: ""}[watched]
    running = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 60
    while not (folder / path).exists() and running.poll() is None:
        assert time.monotonic() < deadline
    time.sleep(draw.choice([0, draw.uniform(0, 0.05), draw.uniform(0, 0.5)]) if watched else 0)
    if watched is None:
        time.sleep(draw.uniform(0, 2))
    for each in [*children_of(running.pid), running.pid]:
        with suppress(ProcessLookupError):
            os.kill(each, signal.SIGKILL)
    running.wait()
