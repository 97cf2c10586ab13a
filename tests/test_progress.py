"""The line of progress: what it says, where it is shown, and that it gives way to everything else."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import time
from argparse import Namespace

import numba
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapeflow.connectors.source.progress import Progress
from tapeflow.connectors.source.source import STOP_REQUESTED
from tapeflow.engine import jit
from tapeflow.engine.compile_watch import watching_compiler
from tapeflow.flows.cli import load as load_command
from tapeflow.flows.cli.parser import Parser
from tapeflow.flows.run import topics
from tapeflow.flows.run.log import reader_factories
from tapeflow.flows.run.progress_line import COMPILING, ProgressLine, showing_progress
from tapeflow.flows.run.tape_files import find_tapes
from tapeflow.schemas.errors import StoppedError
from tapeflow.schemas.time import MAX_NS
from tests.frames import BEGIN, MS, S
from tests.running import JOB, REFERENCE, ROOT, digest, job_of, replay, replay_topics, silent
from tests.running import loaded as loaded_topics

GOLDEN = REFERENCE / "golden-heartbeat"
NAMES = ("a-0", "b-0")
T0 = 1_723_206_600 * S  # 2024-08-09 12:30:00


def at_work(records=1000, done=250, log_ns=T0):
    """Progress of two partitions: half of the records each."""
    progress = Progress(NAMES, S)
    for name in NAMES:
        progress.update(name, log_ns, records // 2)
        progress.set_extent(name, done // 2, 500)
    return progress


# --- what it says -------------------------------------------------------------------------


def test_the_rate_is_that_of_the_last_seconds_not_of_the_whole_run():
    progress = at_work(1_000_000)
    line = ProgressLine(progress, live=False)
    for tenth in range(100):  # a long beginning, and slowly: 10 records a second
        progress.update("a-0", T0, 500_000 + tenth)
        text = line.text(tenth / 10, 0)
    assert " 10/s" in text
    for tenth in range(100, 140):
        progress.update("a-0", T0, 500_000 + 100 * tenth)
        text = line.text(tenth / 10, 0)
    assert " 1,000/s" in text


def test_compiling_is_said_and_is_not_in_the_rate():
    progress = at_work(1000)
    line = ProgressLine(progress, live=False)
    assert "1,000 records" in line.text(0, 0)
    progress.set_compiling(0, True)
    assert line.text(10, 0) == COMPILING
    progress.set_compiling(0, False)
    line.text(60, 0)
    progress.update("a-0", T0, 1500)
    assert " 1,000/s" in line.text(61, 0)


def test_a_replay_shows_the_share_done_and_the_time_left():
    progress = at_work(1000, done=250)
    line = ProgressLine(progress, live=False)
    assert line.text(0, 0) == "25 %, 1,000 records, log time 2024-08-09 12:30:00"
    for name in NAMES:
        progress.set_extent(name, 250, 500)
    assert line.text(10, 0).startswith("50 %, 1,000 records, 0/s, 0:20 left")
    progress.update("a-0", MAX_NS, 500)
    progress.update("b-0", MAX_NS, 500)
    assert line.text(11, 0) == "1,000 records, the end of the log: finishing"


def test_a_live_run_shows_how_far_the_slowest_partition_is_behind_the_wall_clock():
    progress = Progress(NAMES, S)
    progress.update("a-0", T0, 5)
    progress.update("b-0", T0 - 90 * S, 5)
    text = ProgressLine(progress, live=True).text(0, T0 + S // 2)
    assert text == "10 records, 90.5 s behind (b-0), log time 2024-08-09 12:28:30"


def test_a_partition_without_a_record_is_named_after_a_while():
    progress = Progress(NAMES, S)
    line = ProgressLine(progress, live=True)
    assert line.text(0, T0) == "starting"
    progress.update("a-0", T0, 5)
    assert line.text(1, T0) == "5 records"
    assert line.text(9, T0) == "5 records, 0/s, no record of b-0 yet"


def test_a_restart_of_all_processes_gives_no_negative_rate():
    progress = at_work(1000)
    line = ProgressLine(progress, live=False)
    line.text(0, 0)
    progress.reset()
    progress.update("a-0", T0, 10)
    assert "-" not in line.text(1, 0).partition("records")[2].partition("log time")[0]


@given(st.lists(st.tuples(st.integers(0, 10**9), st.floats(0.1, 100)), min_size=1, max_size=20))
def test_the_rate_is_never_negative_and_the_line_is_one_line(steps):
    progress, now, records = Progress(("a-0",), S), 0.0, 0
    line = ProgressLine(progress, live=True)
    for more, seconds in steps:
        now, records = now + seconds, records + more
        progress.update("a-0", T0, records)
        text = line.text(now, T0)
        assert "\n" not in text
        assert "-" not in text.partition("behind")[0]


def test_the_compiler_is_watched_but_not_what_the_cache_gives():
    seen = []
    with watching_compiler(seen.append):
        jit.listen()

        @numba.njit
        def inner(number):
            return number + 1

        @numba.njit
        def outer(number):
            return inner(number)

        seen.clear()
        assert outer(1) == 2
        assert seen == [True, False], "one kernel that compiles another is one time of compiling"
        outer(2)
        assert seen == [True, False]
    outer(1.5)
    assert seen == [True, False], "nobody watches any more"


# --- where it is shown --------------------------------------------------------------------


def on_terminal(columns, *arguments):
    """Run the command on a terminal of so many columns; return all that it wrote there."""
    process, descriptor = pty.fork()
    if not process:
        os.chdir(ROOT)
        os.execv(sys.executable, [sys.executable, "-m", "tapeflow", *map(str, arguments)])
    fcntl.ioctl(descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    written = b""
    try:
        while part := os.read(descriptor, 65536):
            written += part
    except OSError:
        pass  # how a terminal ends
    assert os.waitpid(process, 0)[1] == 0
    return written.decode()


def screen_of(written):
    """What remains on a terminal: a carriage return and a cleared line take what was before."""
    return [line.rpartition("\r\x1b[K")[2] for line in written.replace("\r\n", "\n").split("\n")]


def slow_job(tmp_path):
    path = tmp_path / "job.toml"
    keys = [line for line in JOB.read_text().splitlines() if line.strip() != "[source]"]
    source = [line for line in keys if line.startswith("step")]
    rest = "\n".join(line for line in keys if line not in source)
    path.write_text(rest + '\n[source]\nmax_lead = "1s"\n' + "\n".join(source) + "\n")
    return path


@pytest.mark.parametrize(
    "shape", [(), ("--workers", 2), ("--processes", 2)], ids=lambda shape: " ".join(map(str, shape))
)
@pytest.mark.parametrize("columns", [30, 200])
def test_progress_fits_the_terminal_and_is_gone_before_the_results(tmp_path, columns, shape):
    command = [
        "replay",
        GOLDEN,
        "--config",
        slow_job(tmp_path),
        "--results",
        tmp_path / "r.duckdb",
        "--speed",
        "40x",
    ]
    written = on_terminal(columns, *command, *shape)
    lines = [part.partition("\r")[0] for part in written.split("\r\x1b[K")[1:]]
    shown = [line for line in lines if re.match(r"\d+ %, ", line)]
    assert len(shown) >= 3
    assert max(map(len, shown)) <= columns - 1
    if columns == 200:
        assert all("log time 2023-11-14" in line for line in shown)
    screen = "\n".join(screen_of(written))
    assert re.search(r"^records +12,496 ", screen, re.MULTILINE)
    assert "%, " not in screen
    assert "starting" not in screen


def test_nothing_of_progress_is_written_to_a_pipe(tmp_path):
    command = [
        "replay",
        GOLDEN,
        "--config",
        slow_job(tmp_path),
        "--results",
        tmp_path / "r.duckdb",
        "--speed",
        "40x",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "tapeflow", *map(str, command)],
        check=True,
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    lines = [line for line in done.stderr.splitlines() if "not read" not in line]
    assert lines == []
    assert "\x1b" not in done.stdout


def test_progress_is_cleared_also_where_a_run_fails():
    shown = []
    with pytest.raises(ZeroDivisionError), showing_progress(at_work(), shown.append):
        raise ZeroDivisionError
    assert shown[-1] == ""


# --- load ---------------------------------------------------------------------------------


class Recorder:
    """A loader that remembers when it got each page."""

    last: "Recorder"

    def __init__(self, *arguments, **options):
        self.pages, self.frames, self.records = [], {}, {}
        self.producer = Namespace(check=lambda: None)
        Recorder.last = self

    def write(self, page):
        self.pages.append((time.monotonic(), page))
        self.frames[page.partition] = self.frames.get(page.partition, 0) + len(page.log_ns)
        self.records = self.frames

    def finish(self):
        return 0


def two_tapes(folder, seconds):
    """Two partitions with a record every 50 ms, at other moments."""
    for name, shift in (("binance-0", 0), ("coinbase-0", 20 * MS)):
        lines = [f"{BEGIN + shift + n * 50 * MS} {{}}\n" for n in range(seconds * 20)]
        (folder / f"{name}.tape").write_text("".join(lines))
    return find_tapes([folder], job_of())


@pytest.mark.parametrize("speed", [None, 2.0, 10.0])
def test_load_writes_all_partitions_in_log_order_at_its_speed(tmp_path, monkeypatch, speed):
    monkeypatch.setattr(topics, "Loader", Recorder)
    seconds = 2
    log = two_tapes(tmp_path, seconds)
    job = topics.with_short_pages(job_of(), speed)
    factories = reader_factories(log, job, silent)
    began = time.monotonic()
    written = topics.load_pages(
        {name: topics.read_pages(factory) for name, factory in factories.items()},
        job_of(),
        silent,
        speed=speed,
    )
    took_s = time.monotonic() - began
    assert {name: each.frames for name, each in written.items()} == {
        "binance-0": 40,
        "coinbase-0": 40,
    }
    firsts = [int(page.log_ns[0]) for _, page in Recorder.last.pages]
    assert firsts == sorted(firsts)
    if speed is None:
        assert took_s < 1
        return
    for at_s, page in Recorder.last.pages:  # none before its time, and none a long while behind it
        due_s = began + (int(page.log_ns[-1]) - BEGIN) / 1e9 / speed
        assert due_s - 0.01 < at_s < due_s + 1.5
        assert page.log_ns[-1] - page.log_ns[0] <= topics.PACE_S * speed * 1e9
    assert took_s > (seconds - 0.1) / speed


def options(**more):
    return Namespace(**{"append": False, "pack": False, "speed": None, **more})


@pytest.mark.parametrize("speed", [None, 200.0])
def test_a_paced_load_keeps_every_log_time(tmp_path, speed):
    expected = replay(GOLDEN, tmp_path / "tapes.duckdb")
    empty = tmp_path / "empty"
    empty.mkdir()
    for name in ("binance-0", "coinbase-0"):
        (empty / f"{name}.tape").write_text("")
    with loaded_topics(empty) as job:
        written = load_command.load(options(speed=speed), job, find_tapes([GOLDEN], job))
        assert sum(each.frames for each in written.values()) == 12_496
        assert replay_topics(job, tmp_path / "topics.duckdb") == expected
    assert digest(tmp_path / "topics.duckdb") == expected


def test_a_load_that_is_stopped_says_how_much_the_topics_hold(tmp_path, monkeypatch):
    monkeypatch.setattr(topics, "Loader", Recorder)
    log = two_tapes(tmp_path, 60)

    monkeypatch.setattr(
        load_command, "show_progress", lambda line: STOP_REQUESTED.set() if line else None
    )
    with pytest.raises(StoppedError, match=r"the topics hold the first \d+ frames"):
        load_command.load(options(speed=1.0), job_of(), log)
    assert 0 < sum(Recorder.last.frames.values()) < 1000


def test_packs_cannot_be_paced(capsys):
    parser = Parser(prog="tapeflow load")
    with pytest.raises(SystemExit) as stopped:
        load_command.run(options(pack=True, speed=1.0, parser=parser))
    assert stopped.value.code == 2
    assert "leave out --pack or --speed" in capsys.readouterr().err
