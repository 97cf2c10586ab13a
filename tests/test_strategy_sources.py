"""Runs and states remember the source of strategies, and a change of it is said."""

import json

import pytest

from tapeflow.connectors.duckdb.query import query
from tapeflow.flows.job import settings
from tapeflow.flows.job.changes import notified_rows
from tapeflow.flows.run.plan import Plan
from tapeflow.flows.run.run import run_plan
from tapeflow.flows.run.tape_files import find_tapes
from tests.running import JOB, REFERENCE, silent

GOLDEN = REFERENCE / "golden-heartbeat"
IDLE = "from tapeflow import Strategy\n\n\nclass Idle(Strategy):\n    version = 3\n"
ROW = """
[[strategies]]
name = "idle"
kind = "idle.py:Idle"
account = "main"
size = "1"
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "idle.py").write_text(IDLE)
    (tmp_path / "job.toml").write_text(JOB.read_text() + ROW)
    return tmp_path


def run(folder, notify=silent):
    job = settings.load(folder / "job.toml", {})
    log, results = find_tapes([GOLDEN], job), folder / "results.duckdb"
    plan = Plan(command="t", log=log, job=job, results=results, state=folder / "state")
    run_plan(plan, silent, notify)
    return json.loads(query(results, "SELECT strategies FROM runs").rows[-1][0])


def test_runs_remember_kind_version_and_file_and_a_resumed_state_says_that_it_changed(folder):
    (first,) = (each for each in run(folder) if each["name"] == "idle")
    assert (first["kind"], first["version"], len(first["sha256"])) == ("idle.py:Idle", 3, 64)
    (folder / "idle.py").write_text(IDLE + "# another comment\n")
    lines = []
    (second,) = (each for each in run(folder, lines.append) if each["name"] == "idle")
    assert second["sha256"] != first["sha256"]
    (changed,) = (line for line in lines if "strategies.idle" in line)
    assert f'strategies.idle.sha256 = "{first["sha256"]}" changes to' in changed
    lines = []
    assert run(folder, lines.append)
    assert not [line for line in lines if "idle" in line], "said once"


def test_kernels_are_remembered_by_their_kind(folder):
    kernels = [each for each in run(folder) if each["name"] != "idle"]
    assert {each["kind"] for each in kernels} == {"ema_cross"}
    assert {(each["version"], each["sha256"]) for each in kernels} == {(None, "")}
    job = settings.load(folder / "job.toml", {})
    rows = notified_rows(job)["strategies"]
    assert [name for name in rows if f"strategies.{name}.sha256" in rows[name]] == ["idle"]
