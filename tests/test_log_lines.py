"""Lines of a run as JSON: each one, from the start to a crash; as text they are what they were."""

import json
import os
import signal
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapeflow.engine.fatal_handler import LINE_BYTES
from tapeflow.flows.cli.main import main
from tapeflow.flows.run import log_lines
from tapeflow.flows.run.fatal_signals import fatal_json
from tapeflow.flows.run.run_id import new_run_id
from tapeflow.schemas.notify import Notice
from tests.running import JOB, REFERENCE, ROOT

GOLDEN = REFERENCE / "golden-heartbeat"
KEYS = {"time", "level", "event", "message"}
LEVELS = {"info", "warning", "error"}


@pytest.fixture
def as_json(monkeypatch):
    monkeypatch.setenv(log_lines.VARIABLE, "json")
    monkeypatch.setattr(log_lines, "CONTEXT", {"run": "r-1", "command": "run"})
    monkeypatch.setattr("tapeflow.flows.cli.main.write_errors_as_json", lambda: None)


def start(*arguments, **variables):
    """Start a command whose lines are JSON."""
    return subprocess.Popen(
        [sys.executable, "-m", "tapeflow", *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "TAPEFLOW_LOG_FORMAT": "json", **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def lines_of(text):
    """Every line, which must be JSON with the keys that each has."""
    lines = [json.loads(line) for line in text.splitlines()]
    for line in lines:
        assert line.keys() >= KEYS
        assert line["level"] in LEVELS
        if line["event"] != "crash":
            assert datetime.fromisoformat(line["time"]).utcoffset().total_seconds() == 0
    return lines


def by_event(lines):
    return {line["event"]: line for line in lines}


def child_pids(pid):
    """The processes that a supervisor has started."""
    return [
        int(child)
        for task in Path(f"/proc/{pid}/task").iterdir()
        for child in (task / "children").read_text().split()
    ]


@given(st.text(), st.text())
def test_any_message_is_one_line_of_json_that_gives_it_back(message, partition):
    text = log_lines.format_json(message, "event", "info", partition=partition)
    assert text.count("\n") == 1 and text.endswith("\n")
    found = json.loads(text)
    assert (found["message"], found["partition"]) == (message, partition)


def test_a_notice_is_a_line_of_text_and_an_event_of_json(as_json, monkeypatch):
    notice = Notice("partition a-0 is silent", "stalled", "warning", partition="a-0", silent_s=1.5)
    found = json.loads(log_lines.format_notice(notice))
    assert {key: found[key] for key in ("run", "command", "event", "level", "partition")} == {
        "run": "r-1", "command": "run", "event": "stalled", "level": "warning", "partition": "a-0",
    }  # fmt: skip
    monkeypatch.delenv(log_lines.VARIABLE)
    assert log_lines.format_notice(notice) == "tapeflow: partition a-0 is silent\n"
    assert notice == "partition a-0 is silent", "a notice is its text to everybody else"


def test_a_plain_line_is_a_notice_of_level_info(as_json):
    found = json.loads(log_lines.format_notice("a line"))
    assert (found["event"], found["level"], found["message"]) == ("notice", "info", "a line")


def test_a_crash_has_no_more_bytes_than_its_handler_has_room_for(as_json):
    for length in (10, 200, 450, 5000):
        line = fatal_json("x" * length, "SIGSEGV")
        assert len(line) < LINE_BYTES
        assert json.loads(line)["event"] == "crash"


@pytest.mark.parametrize(
    "arguments",
    [["replay", "no.such"], ["replay", "--nothing"], ["rply"], ["query", "FROM x", "y"]],
)
def test_an_error_is_json_and_its_exit_code_stays(as_json, capsys, arguments):
    assert main(arguments) in (1, 2)
    (line,) = lines_of(capsys.readouterr().err)
    assert (line["level"], line["event"]) == ("error", "error")
    assert line["run"]
    assert line["program"].startswith("tapeflow")


def test_an_error_in_the_job_file_is_json_too(as_json, capsys, tmp_path):
    job = tmp_path / "job.toml"
    job.write_text("[bars]\nwidht = '1s'\n")
    assert main(["replay", str(GOLDEN), "--config", str(job)]) == 2
    (line,) = lines_of(capsys.readouterr().err)
    assert "did you mean width" in line["message"]


def test_another_format_is_refused(monkeypatch, capsys):
    monkeypatch.setenv(log_lines.VARIABLE, "xml")
    assert main(["doctor"]) == 2
    expected = "tapeflow: TAPEFLOW_LOG_FORMAT is neither text nor json\n"
    assert capsys.readouterr().err == expected


def test_a_run_begins_and_ends_with_lines_of_one_run(tmp_path):
    done = start("replay", GOLDEN, "--config", JOB, "--results", tmp_path / "r.duckdb")
    _, errors = done.communicate(timeout=60)
    assert done.returncode == 0
    lines = lines_of(errors)
    first, last = by_event(lines)["start"], lines[-1]
    assert last["event"] == "end"
    assert first["partitions"] == ["binance-0", "coinbase-0"]
    assert last["outcome"] == "ended"
    assert last["records"] > 1000
    assert len({line["run"] for line in lines}) == 1


def test_no_two_runs_have_the_same_id():
    assert len({new_run_id() for _ in range(1000)}) == 1000


@pytest.mark.slow
def test_a_process_that_is_killed_and_started_again_is_a_line_of_json(tmp_path):
    running = start(
        "replay", GOLDEN, "--config", JOB, "--results", tmp_path / "r.duckdb",
        "--state", tmp_path / "state", "--processes", 2, "--speed", "30x",
    )  # fmt: skip
    deadline = time.monotonic() + 30
    while not (tmp_path / "r.duckdb.live").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(1.0)
    os.kill(child_pids(running.pid)[0], signal.SIGKILL)
    time.sleep(3.0)
    running.send_signal(signal.SIGTERM)
    _, errors = running.communicate(timeout=60)
    found = by_event(lines_of(errors))
    assert found["restart"]["level"] == "warning"
    assert "SIGKILL" in found["restart"]["message"]
    assert found["end"]["outcome"] == "was stopped"
    assert found["end"]["restarts"] == 1
    assert found["run_number"]["run_number"] >= 1
    assert found["error"]["message"].startswith("stopped by SIGTERM")


@pytest.mark.slow
def test_a_crash_of_the_process_is_a_line_of_json(tmp_path):
    running = start(
        "replay", GOLDEN, "--config", JOB, "--results", tmp_path / "r.duckdb", "--speed", "5x"
    )
    deadline = time.monotonic() + 30
    while not (tmp_path / "r.duckdb.live").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    running.send_signal(signal.SIGSEGV)
    _, errors = running.communicate(timeout=60)
    assert running.returncode == 1
    crash = lines_of(errors)[-1]
    assert (crash["event"], crash["level"], crash["time"]) == ("crash", "error", None)
    assert "SIGSEGV" in crash["message"]
