"""A wall clock that is set back: reading goes on, heartbeats go on, and a stop is a stop."""

import mmap
import os
import shutil
import signal
import struct
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest

from bench.live_run import read_progress
from tapeflow.connectors.source.polling import AT_ONCE, IDLE_S, Pages, Polls
from tapeflow.flows.run.clock_watch import ClockWatch
from tests.running import REFERENCE, ROOT, digest, job_text, replay, silent

GOLDEN = REFERENCE / "golden-heartbeat"
PARTITIONS = ("binance-0", "coinbase-0")
COMPILER = shutil.which("cc") or shutil.which("gcc")


class SetClock:
    """A clock for processes, in a file that they share."""

    def __init__(self, folder):
        library = folder / "set_clock.so"
        source = ROOT / "tests" / "faults" / "set_clock.c"
        subprocess.run([str(COMPILER), "-shared", "-fPIC", "-o", library, source], check=True)
        self.path = folder / "ahead"
        self.path.write_bytes(bytes(8))
        self.environment = {
            **os.environ,
            "LD_PRELOAD": str(library),
            "CLOCK_AHEAD_FILE": str(self.path),
        }

    def step(self, seconds):
        with self.path.open("r+b") as file, mmap.mmap(file.fileno(), 8) as shared:
            shared[:] = struct.pack("<q", seconds)


@contextmanager
def start(folder, clock, *arguments):
    job = folder / "job.toml"
    job.write_text(job_text('[recovery]\nepoch = "100ms"\n', source="page_records = 20\n"))
    command = [
        sys.executable, "-m", "tapeflow", *arguments, "--config", job,
        "--results", folder / "results.duckdb", "--state", folder / "state",
    ]  # fmt: skip
    with (folder / "stderr").open("ab") as errors:
        running = subprocess.Popen(
            list(map(str, command)), cwd=ROOT, env=clock.environment, stderr=errors,
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
    try:
        yield running
    finally:
        running.kill()
        running.wait()


def records(folder):
    progress = read_progress(folder / "state", PARTITIONS)
    return progress.records() if progress else 0


def wait_until(condition, running, patience_s=30):
    deadline = time.monotonic() + patience_s
    while not condition():
        assert running.poll() is None, "it ended"
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


@pytest.mark.slow
@pytest.mark.skipif(COMPILER is None, reason="no C compiler")
@pytest.mark.parametrize("seconds", [-30, 600])
@pytest.mark.parametrize("shape", [(1, 1), (1, 2), (2, 1)], ids=str)
def test_a_paced_replay_reads_on_when_the_clock_is_set(tmp_path, seconds, shape):
    expected = replay(GOLDEN, tmp_path / "unbroken.duckdb")
    clock = SetClock(tmp_path)
    arguments = ["replay", GOLDEN, "--speed", "10x", "--processes", shape[0], "--workers", shape[1]]
    with start(tmp_path, clock, *arguments) as running:
        wait_until(lambda: records(tmp_path) > 500, running)
        clock.step(seconds)
        before = records(tmp_path)
        wait_until(lambda: records(tmp_path) > before + 1000, running, 15)
        running.send_signal(signal.SIGTERM)
        running.wait(25)  # some are busy machines; it was 30 s, or ten minutes
    with start(tmp_path, clock, "replay", GOLDEN) as running:  # it is one answer all the same
        assert running.wait(60) == 0, (tmp_path / "stderr").read_text()
    assert digest(tmp_path / "results.duckdb") == expected


def test_the_engine_is_never_told_a_time_of_the_wall_clock():
    assert AT_ONCE.timestamp() == 0


def test_a_worker_sleeps_only_while_nothing_is_due():
    polls = Polls(Pages())
    polls.delay("a", 60)
    polls.delay("b", 0)
    began = time.monotonic()
    assert not polls.is_due("a") and polls.is_due("b")
    assert time.monotonic() - began < IDLE_S
    polls.delay("b", 60)
    began = time.monotonic()
    assert not polls.is_due("a") and not polls.is_due("b")
    assert 2 * IDLE_S <= time.monotonic() - began < 1
    polls.forget("a")
    polls.delay("b", IDLE_S)
    while not polls.is_due("b"):
        assert time.monotonic() - began < 5


def test_a_step_back_of_the_clock_is_seen_once_and_a_step_forward_never():
    watch = ClockWatch(silent, supervised=False)
    ahead_s = watch.ahead_s
    seen = [watch.set_back_s(ahead_s + by) for by in (0.0, -0.5, -30.5, -30.5, 570, 569.5, 0)]
    assert [round(each) for each in seen] == [0, 0, 30, 0, 0, 0, 570]
