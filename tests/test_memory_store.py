"""The engine's store in memory: nothing is lost with a process, and little with the machine."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from bench.crash import HASTY
from bench.crashing import Crashing
from tapeflow.engine import memory_store
from tapeflow.engine.memory_store import copy, in_memory, lift, settle
from tapeflow.engine.recovery import create_store, is_complete
from tapeflow.schemas.errors import TapeflowError
from tests.running import REFERENCE, replay

GOLDEN = REFERENCE / "golden-heartbeat"
IN_MEMORY = HASTY.replace("[recovery]\n", '[recovery]\nstore = "memory"\n', 1)


@pytest.fixture
def places(tmp_path):
    """Return the folder of a new store, and a folder that stands for memory."""
    memory = tmp_path / "memory"
    memory.mkdir()
    recovery = tmp_path / "state" / "recovery"
    recovery.parent.mkdir()
    create_store(recovery)
    return recovery, memory


def write(recovery, epoch):
    """Write an epoch into a store, as the engine does: into the log beside the file."""
    with closing(sqlite3.connect(recovery / "part-0.sqlite3")) as con, con:
        con.execute("CREATE TABLE IF NOT EXISTS epochs (epoch)")
        con.execute("INSERT INTO epochs VALUES (?)", [epoch])


def epochs(recovery):
    with closing(sqlite3.connect(recovery / "part-0.sqlite3")) as con:
        return [epoch for (epoch,) in con.execute("SELECT epoch FROM epochs ORDER BY epoch")]


def lose_power(memory):
    """Lose what is in memory."""
    for folder in memory.iterdir():
        shutil.rmtree(folder)


def test_a_run_leaves_its_store_on_the_disk_and_nothing_in_memory(places):
    recovery, memory = places
    write(recovery, 1)
    notices = []
    with in_memory(recovery, notices.append, memory):
        assert recovery.readlink().parent == memory
        assert is_complete(recovery) and epochs(recovery) == [1]
        write(recovery, 2)
    assert (epochs(recovery), recovery.is_symlink(), notices) == ([1, 2], False, [])
    assert not [*memory.iterdir()] and [*recovery.parent.iterdir()] == [recovery]


def test_a_run_that_was_killed_goes_on_from_memory(places):
    recovery, memory = places
    lift(recovery, memory)
    write(recovery, 1)  # of which the copy knows nothing
    settle(recovery)
    assert epochs(recovery) == [1] and not [*memory.iterdir()]


def test_after_a_loss_of_power_a_run_goes_on_from_the_last_copy(places):
    recovery, memory = places
    write(recovery, 1)
    lift(recovery, memory)
    write(recovery, 2)
    copy(recovery)
    write(recovery, 3)
    lose_power(memory)
    settle(recovery)
    assert is_complete(recovery) and epochs(recovery) == [1, 2]


def test_after_a_loss_of_power_before_the_first_copy_it_goes_on_from_where_it_began(places):
    recovery, memory = places
    write(recovery, 1)
    lift(recovery, memory)
    write(recovery, 2)
    lose_power(memory)
    settle(recovery)
    assert epochs(recovery) == [1]


@pytest.mark.parametrize("step", ["symlink_to", "replace"])
def test_a_kill_between_two_steps_of_moving_loses_nothing(places, monkeypatch, step):
    recovery, memory = places
    write(recovery, 1)
    if step == "symlink_to":  # while it is moved into memory: the folder is renamed, no link yet
        monkeypatch.setattr(Path, step, lambda *_: 1 / 0)
        move = lambda: lift(recovery, memory)  # noqa: E731
    else:  # while it is moved back: the link is gone, the folder not renamed yet
        lift(recovery, memory)
        copy(recovery)
        monkeypatch.setattr(memory_store, "copy", lambda _: None)
        monkeypatch.setattr("os.replace", lambda *_: 1 / 0)
        move = lambda: settle(recovery)  # noqa: E731
    with pytest.raises(ZeroDivisionError):
        move()
    assert not recovery.exists()
    monkeypatch.undo()
    settle(recovery)
    assert epochs(recovery) == [1]


def test_a_link_of_the_users_own_is_left_alone(places, tmp_path):
    recovery, _ = places
    elsewhere = tmp_path / "fast disk"
    recovery.rename(elsewhere)
    recovery.symlink_to(elsewhere)
    write(recovery, 1)
    settle(recovery)
    assert recovery.readlink() == elsewhere and epochs(recovery) == [1]


def test_where_memory_cannot_hold_the_store_it_stays_on_the_disk_and_that_is_said(places):
    recovery, memory = places
    notices = []
    with in_memory(recovery, notices.append, memory / "none"):
        assert not recovery.is_symlink()
    shutil.copy(recovery / "part-0.sqlite3", recovery / "part-1.sqlite3")
    with in_memory(recovery, notices.append, memory):
        assert not recovery.is_symlink()
    assert [line.endswith("the state stays on the disk") for line in notices] == [True, True]


def test_where_the_disk_does_not_take_the_store_at_the_end_it_stays_in_memory(places, monkeypatch):
    recovery, memory = places
    lift(recovery, memory)
    write(recovery, 1)
    monkeypatch.setattr(memory_store, "copy", raise_full)
    with pytest.raises(TapeflowError, match=r"recovery.disk: cannot be written"):
        settle(recovery)
    monkeypatch.undo()
    settle(recovery)
    assert epochs(recovery) == [1]


def raise_full(_):
    raise OSError(28, "No space left on device")


@pytest.mark.slow
@pytest.mark.parametrize("power", ["stays", "is lost"])
def test_kills_of_a_run_in_memory_change_nothing(tmp_path, power):
    """Where the power is lost with every kill, each start goes on from an earlier epoch's copy."""

    class Killed(Crashing):
        def start(self, armed=""):
            recovery = self.folder / "state" / "recovery"
            if recovery.is_symlink() and power == "is lost":
                shutil.rmtree(recovery.readlink(), ignore_errors=True)
            return super().start(armed)

    expected = replay(GOLDEN, tmp_path / "unbroken.duckdb")
    job = tmp_path / "job.toml"
    job.write_text(IN_MEMORY)
    crashing = Killed(tmp_path, [str(GOLDEN), "--speed", "20x"], job, seed=3)
    assert crashing.run(kills=6, longest_s=3.0) == expected
    assert crashing.kills >= 6
    assert not (tmp_path / "state" / "recovery").is_symlink()
