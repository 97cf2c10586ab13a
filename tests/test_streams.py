"""Streams that are full, closed or gone, folders that are missing, and pipes as tapes."""

import gzip
import os
import subprocess
import sys
import threading

import pytest

from tapeflow.flows.cli.main import main
from tests.running import JOB, REFERENCE, ROOT, digest, job_of, replay

TAPE = REFERENCE / "golden" / "binance-0.tape.gz"


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    path = tmp_path_factory.mktemp("results") / "r.duckdb"
    replay(TAPE, path, job_of())
    return path


def shell(line, folder, **variables):
    """Run a line of the shell in which $TAPEFLOW is the command."""
    command = f"{sys.executable} -m tapeflow"
    return subprocess.run(
        ["bash", "-c", line.replace("$TAPEFLOW", command)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.parametrize("rows", [1, 100_000])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_standard_output_is_one_line(results, tmp_path, rows, unbuffered):
    sql = f"SELECT range FROM range({rows})"
    done = shell(
        f"$TAPEFLOW query '{sql}' --results {results} > /dev/full", tmp_path,
        PYTHONUNBUFFERED=unbuffered,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "tapeflow query: standard output cannot be written: No space left on device"
    ]


@pytest.mark.parametrize(
    "closed",
    [
        "<&- >&- 2>&-",
        *(pytest.param(each, marks=pytest.mark.slow) for each in (">&-", "2>&-", "<&-")),
    ],
)
def test_a_closed_stream_changes_no_file_and_no_exit_code(tmp_path, results, closed):
    done = shell(f"$TAPEFLOW replay {TAPE} --config {JOB} --results r.duckdb {closed}", tmp_path)
    assert done.returncode == 0
    assert done.stderr == ""
    assert digest(tmp_path / "r.duckdb") == digest(results)
    assert [path.name for path in tmp_path.iterdir()] == ["r.duckdb"]


def test_messages_that_nobody_reads_stop_no_run(tmp_path):
    (tmp_path / "tapes").mkdir()
    (tmp_path / "tapes" / "binance-0.tape.gz").symlink_to(TAPE)
    (tmp_path / "tapes" / "notes.txt").touch()  # is named in a message
    done = shell(f"$TAPEFLOW replay tapes --config {JOB} 2> /dev/full", tmp_path)
    assert done.returncode == 0
    assert (tmp_path / "results.duckdb").exists()


def test_a_missing_home_and_folders_that_cannot_be_written_do_not_matter(tmp_path):
    nowhere = dict.fromkeys(("HOME", "TMPDIR", "XDG_CACHE_HOME"), "/nowhere")
    done = shell(f"$TAPEFLOW replay {TAPE} --config {JOB}", tmp_path, **nowhere)
    assert done.returncode == 0
    assert done.stderr == ""


def test_a_working_folder_that_is_not_utf_8_is_refused_in_one_line(tmp_path):
    folder = os.fsdecode(os.fsencode(tmp_path) + b"/\xff")
    os.mkdir(folder)
    done = shell(f"$TAPEFLOW replay {TAPE} --config {JOB}", folder)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "is not UTF-8: rename the file or folder" in line
    assert os.listdir(folder) == []


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("packed", [False, True])
def test_a_pipe_is_a_tape_that_ends_when_its_writer_closes_it(tmp_path, results, workers, packed):
    pipe = tmp_path / f"binance-0.tape{'.gz' if packed else ''}"
    os.mkfifo(pipe)
    data = TAPE.read_bytes() if packed else gzip.decompress(TAPE.read_bytes())
    writer = threading.Thread(target=pipe.write_bytes, args=[data])
    writer.start()
    target = tmp_path / "r.duckdb"
    arguments = ["replay", pipe, "--config", JOB, "--results", target, "--workers", workers]
    assert main(list(map(str, arguments))) == 0
    writer.join()
    assert digest(target) == digest(results)
