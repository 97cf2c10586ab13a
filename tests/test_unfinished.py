"""Replays that do not come to their end: the earlier answer stays, theirs is next to it."""

import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from functools import partial

import duckdb
import pytest

from tapeflow.connectors.duckdb import query as duckdb_query
from tapeflow.schemas.errors import TapeflowError
from tests.running import JOB, REFERENCE, ROOT, digest, job_text, replay

GOLDEN = REFERENCE / "golden-heartbeat"
SHAPES = [(1, 1), (1, 2), (2, 1)]  # processes, workers
each_shape = pytest.mark.parametrize(
    ("processes", "workers"), SHAPES, ids=["one worker", "two workers", "two processes"]
)
EPOCHS, PAGES = '[recovery]\nepoch = "100ms"\n', 'page_records = 50\nmax_lead = "2s"\n'


def command(folder, *arguments, name="replay"):
    (folder / "job.toml").write_text(job_text(EPOCHS, source=PAGES))
    line = [
        sys.executable, "-m", "tapeflow", name, *arguments, "--config", folder / "job.toml",
        "--results", folder / "results.duckdb",
    ]  # fmt: skip
    return list(map(str, line))


def start(folder, *arguments):
    return subprocess.Popen(
        command(folder, *arguments), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip


def tapeflow(*arguments):
    line = [sys.executable, "-m", "tapeflow", *map(str, arguments)]
    return subprocess.run(line, check=False, cwd=ROOT, capture_output=True, text=True)


def wait_for_bars(results, running, bars=100, patience_s=60):
    deadline = time.monotonic() + patience_s
    while True:
        assert time.monotonic() < deadline and running.poll() is None, running.communicate()
        if results.with_name(results.name + ".live").exists():
            try:
                ((found,),) = duckdb_query.query(results, "SELECT count(*) FROM bars").rows
            except TapeflowError:  # it is only starting
                found = 0
            if found > bars:
                return
        time.sleep(0.05)


def stop(running, number):
    running.send_signal(number)
    _, errors = running.communicate(timeout=20)
    return running.returncode, errors.splitlines()


def bars_of(path):
    with duckdb.connect(str(path), read_only=True) as con:
        return con.execute("SELECT count(*) FROM bars").fetchall()[0][0]


@pytest.mark.slow
@each_shape
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda n: n.name)
def test_a_stopped_replay_leaves_the_old_answer_and_puts_its_own_next_to_it(
    tmp_path, processes, workers, number
):
    results = tmp_path / "results.duckdb"
    replay(GOLDEN, results)
    before = results.read_bytes()
    shape = ("--processes", processes, "--workers", workers)
    running = start(tmp_path, GOLDEN, "--speed", "20x", *shape)
    wait_for_bars(results, running)
    code, errors = stop(running, number)
    assert code == 128 + number
    assert results.read_bytes() == before, "the old answer is as it was"
    partial_file = tmp_path / "results.duckdb.partial"
    assert 100 < bars_of(partial_file) < 2200
    (line,) = [each for each in errors if "not read" not in each]
    assert re.fullmatch(
        rf"tapeflow replay: stopped by {number.name} after [\d,]+ records: {partial_file} holds "
        r"the log up to 2023-11-14 22:\d\d:\d\d",
        line,
    )
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"job.toml", "results.duckdb", "results.duckdb.partial"}


def test_without_an_earlier_answer_a_stopped_replay_makes_none(tmp_path):
    results = tmp_path / "results.duckdb"
    running = start(tmp_path, GOLDEN, "--speed", "20x")
    wait_for_bars(results, running)
    assert not results.exists(), "an answer is there at the end, not before"
    code, _ = stop(running, signal.SIGTERM)
    assert code == 143
    assert not results.exists()
    absent = tapeflow("query", "SELECT 1", "--results", results)
    assert (absent.returncode, absent.stdout) == (1, "")
    assert f"query what it committed with --results {results}.partial" in absent.stderr
    shown = tapeflow(
        "query", "SELECT count(*) > 100 AS n FROM bars", "--results", f"{results}.partial"
    )
    assert shown.returncode == 0
    assert re.fullmatch(
        rf"tapeflow: {results}.partial: unfinished: the replay started [-\d]+ [:\d]+ was stopped "
        r"[-\d]+ [:\d]+; it shows the log up to 2023-11-14 22:[:\d]+, committed [-\d]+ [:\d]+\n",
        shown.stderr,
    )
    done = tapeflow(*command(tmp_path, GOLDEN)[3:])
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "results.duckdb.partial").exists(), "the finished answer has all of it"
    assert digest(results) == replay(GOLDEN, tmp_path / "unbroken.duckdb")


def test_a_stopped_replay_with_a_state_continues_to_the_whole_answer(tmp_path):
    expected = replay(GOLDEN, tmp_path / "unbroken.duckdb")
    results, state = tmp_path / "results.duckdb", ("--state", tmp_path / "state")
    replay(GOLDEN, results)
    before = results.read_bytes()
    running = start(tmp_path, GOLDEN, "--speed", "20x", *state)
    wait_for_bars(results, running)
    code, errors = stop(running, signal.SIGINT)
    assert code == 130
    assert errors[-1].endswith(f"; --state {tmp_path / 'state'} continues")
    assert results.read_bytes() == before
    assert bars_of(tmp_path / "results.duckdb.partial") > 0
    done = tapeflow(*command(tmp_path, GOLDEN, *state)[3:])
    assert done.returncode == 0, done.stderr
    assert digest(results) == expected
    assert not (tmp_path / "results.duckdb.partial").exists()


@pytest.mark.slow
@each_shape
def test_after_a_kill_the_old_answer_stays_and_a_query_says_that_a_later_one_did_not_finish(
    tmp_path, processes, workers
):
    results = tmp_path / "results.duckdb"
    expected = replay(GOLDEN, results)
    before = results.read_bytes()
    shape = ("--processes", processes, "--workers", workers)
    running = start(tmp_path, GOLDEN, "--speed", "20x", *shape)
    wait_for_bars(results, running)
    running.kill()
    running.communicate()
    time.sleep(0.5)  # its processes end when it does
    assert results.read_bytes() == before
    shown = tapeflow("query", "SELECT count(*) AS n FROM fills", "--results", results)
    assert shown.returncode == 0
    assert "a later replay did not finish: query it with --results" in shown.stderr
    assert shown.stderr.count("\n") == 1
    later = tapeflow(
        "query", "SELECT count(*) > 100 AS n FROM bars", "--results", f"{results}.partial"
    )
    assert (later.returncode, later.stdout.split()[2]) == (0, "True")
    assert "was killed or failed; it shows the log up to 2023-11-14 22:" in later.stderr
    known = tapeflow("digest", f"{results}.partial")
    assert known.returncode == 0 and "unfinished" in known.stderr
    done = tapeflow(*command(tmp_path, GOLDEN)[3:])
    assert done.returncode == 0, done.stderr
    assert digest(results) == expected


def test_a_replay_begun_in_the_same_second_as_the_answer_is_a_later_one(tmp_path):
    results, partial_file = tmp_path / "results.duckdb", tmp_path / "results.duckdb.partial"
    replay(GOLDEN, results)
    shutil.copy(results, partial_file)
    with duckdb.connect(str(partial_file)) as con:
        con.execute("UPDATE runs SET started = started + INTERVAL 1 microsecond, finished = NULL")
    lines: list[str] = []
    duckdb_query.query(results, "SELECT 1", lines.append)
    assert "did not finish: query it with --results" in "".join(lines)


def limit_files(size):
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


@pytest.mark.parametrize("state", [False, True], ids=["stateless", "state"])
def test_a_full_disk_leaves_the_old_answer(tmp_path, state):
    results = tmp_path / "results.duckdb"
    replay(GOLDEN, results)
    before = results.read_bytes()
    more = ("--state", tmp_path / "state") if state else ()
    line = command(tmp_path, GOLDEN, *more)
    (tmp_path / "job.toml").write_text(JOB.read_text())  # few epochs: it is the results that grow
    full = subprocess.run(
        line, check=False, cwd=ROOT, capture_output=True, text=True,
        preexec_fn=partial(limit_files, 2_000_000),
    )  # fmt: skip
    assert full.returncode == 1
    assert "cannot be written" in full.stderr.splitlines()[-1]
    assert "Traceback" not in full.stderr
    assert results.read_bytes() == before
    done = tapeflow(*command(tmp_path, GOLDEN, *more)[3:])
    assert done.returncode == 0, done.stderr


def test_a_failed_replay_says_where_its_part_of_the_answer_is(tmp_path):
    tapes = tmp_path / "tapes"
    tapes.mkdir()
    (tapes / "part-1.tape.gz").symlink_to(GOLDEN / "binance-0.tape.gz")
    (tapes / "part-2.tape.gz").write_bytes((GOLDEN / "binance-0.tape.gz").read_bytes()[:5000])
    (tapes / "coinbase-0.tape.gz").symlink_to(GOLDEN / "coinbase-0.tape.gz")
    results = tmp_path / "results.duckdb"
    replay(GOLDEN, results)
    before = results.read_bytes()
    line = command(tmp_path, tapes)[3:]
    with (tmp_path / "job.toml").open("a") as job:
        job.write('[[tapes]]\nfiles = "part-*"\npartition = "binance-0"\n')
    failed = tapeflow(*line)
    assert failed.returncode == 1
    assert results.read_bytes() == before
    (line,) = failed.stderr.splitlines()
    assert re.search(rf"; {results}\.partial holds the log up to 2023-11-14 22:\d\d:\d\d$", line)
    assert bars_of(tmp_path / "results.duckdb.partial") > 0


def hold(path):
    """Start a program that has the file open for writing."""
    code = f"import duckdb, sys; c = duckdb.connect({str(path)!r}); print(1, flush=True); sys.stdin.read()"
    holder = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    holder.stdout.readline()
    return holder


def test_results_that_another_program_writes_are_left_to_it_and_named(tmp_path):
    results = tmp_path / "results.duckdb"
    replay(GOLDEN, results)
    holder = hold(results)
    try:
        for line in (
            command(tmp_path, GOLDEN)[3:],
            ["query", "SELECT 1", "--results", results],
            ["digest", results],
        ):
            refused = tapeflow(*line)
            assert refused.returncode == 1
            assert refused.stdout == ""
            last = refused.stderr.splitlines()[-1]
            assert f"{results} is being written by another program: " in last
            assert f"(PID {holder.pid}); close it" in last
    finally:
        holder.communicate()


def test_a_program_that_opens_the_results_during_a_replay_keeps_them(tmp_path):
    results = tmp_path / "results.duckdb"
    replay(GOLDEN, results)
    before = results.read_bytes()
    running = start(tmp_path, GOLDEN, "--speed", "60x")
    wait_for_bars(results, running)
    holder = hold(results)
    try:
        _, errors = running.communicate(timeout=60)
    finally:
        holder.communicate()
    assert running.returncode == 1
    last = errors.splitlines()[-1]
    assert f"(PID {holder.pid}); close it: the finished answer is in {results}.partial" in last
    assert results.read_bytes() == before
    assert digest(tmp_path / "results.duckdb.partial") == digest(results)


def test_a_folder_in_the_place_of_results_is_named_as_one(tmp_path):
    results = tmp_path / "results.duckdb"
    results.mkdir()
    refused = tapeflow(*command(tmp_path, GOLDEN)[3:])
    assert refused.returncode == 2
    assert refused.stderr.splitlines()[-1].endswith(f"{results} is a folder: name a file")
    refused = tapeflow("query", "SELECT 1", "--results", results)
    assert refused.returncode == 2
    assert refused.stderr == f"tapeflow query: {results} is a folder: name a file\n"


@pytest.mark.parametrize("place", ["/proc/results.duckdb", "/dev/null/results.duckdb"])
def test_a_place_where_no_file_can_be_made_is_one_line(tmp_path, place):
    line = command(tmp_path, GOLDEN)[3:-1]
    refused = tapeflow(*line, place)
    assert refused.returncode == 1
    assert f"{place}: cannot be written: " in refused.stderr.splitlines()[-1]


def test_a_log_of_writes_left_by_another_program_is_read_and_then_replaced(tmp_path):
    results = tmp_path / "results.duckdb"
    expected = replay(GOLDEN, results)
    code = (
        f"import duckdb, os; c = duckdb.connect({str(results)!r});"
        "c.execute('CREATE TABLE own AS SELECT 1 AS n'); os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert os.path.exists(f"{results}.wal")
    shown = tapeflow("query", "SELECT n FROM own", "--results", results)
    assert shown.returncode == 0, shown.stderr
    assert replay(GOLDEN, results) == expected
    assert not os.path.exists(f"{results}.wal")
    assert digest(results) == expected
