"""A run in one process opens its work file once, from the first fact to the finished results."""

import os
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from tapeflow.connectors.duckdb.handover import pass_on, passing_on, take
from tapeflow.connectors.duckdb.query import query
from tapeflow.flows.run.plan import Plan
from tapeflow.flows.run.run import run_plan
from tapeflow.flows.run.tape_files import find_tapes
from tests.running import JOB, REFERENCE, ROOT, job_of, silent


@pytest.fixture
def opened_files(monkeypatch):
    """The files that DuckDB opens."""
    names, connect = [], duckdb.connect

    def counted(path=":memory:", **options):
        names.append(Path(path).name)
        return connect(path, **options)

    monkeypatch.setattr(duckdb, "connect", counted)
    return names


def replay(folder, **options):
    job = job_of()
    log = find_tapes([REFERENCE / "golden"], job)
    plan = Plan(command="t", log=log, job=job, results=folder / "r.duckdb", **options)
    run_plan(plan, silent, silent)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_replay_opens_its_work_file_once_and_the_earlier_results_once(
    tmp_path, opened_files, workers
):
    replay(tmp_path, workers=workers)
    assert opened_files == ["r.duckdb.partial"]
    replay(tmp_path, workers=workers)
    assert opened_files[1:] == ["r.duckdb", "r.duckdb.partial"]
    del opened_files[:]
    assert query(tmp_path / "r.duckdb", "SELECT finished IS NOT NULL FROM runs").rows == [(True,)]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["r.duckdb"]


def test_a_replay_with_a_state_opens_its_work_file_once_at_each_start(tmp_path, opened_files):
    replay(tmp_path, state=tmp_path / "state")
    assert opened_files == ["work.duckdb"]
    replay(tmp_path, state=tmp_path / "state")
    assert opened_files[1:] == ["r.duckdb", "work.duckdb"]


def test_a_connection_that_nobody_takes_is_closed_with_the_run(tmp_path):
    con = duckdb.connect(tmp_path / "work.duckdb")
    with passing_on(tmp_path / "work.duckdb"):
        pass_on(tmp_path / "work.duckdb", con, usable=True)
        con.execute("SELECT 1")
    with pytest.raises(duckdb.ConnectionException):
        con.execute("SELECT 1")
    assert take(tmp_path / "work.duckdb") is None


@pytest.mark.parametrize("wanted", ["another.duckdb", "work.duckdb"])
def test_a_connection_is_closed_where_it_is_not_wanted_or_not_usable(tmp_path, wanted):
    con = duckdb.connect(tmp_path / "work.duckdb")
    with passing_on(tmp_path / wanted):
        pass_on(tmp_path / "work.duckdb", con, usable=wanted == "another.duckdb")
        with pytest.raises(duckdb.ConnectionException):
            con.execute("SELECT 1")
        assert take(tmp_path / "work.duckdb") is None


def test_a_file_of_something_else_is_kept_also_under_the_engines_own_command(tmp_path):
    results = tmp_path / "notes.txt"
    results.write_text("mine")
    environment = {
        **os.environ,
        "TAPEFLOW_CONFIG": str(JOB),
        "TAPEFLOW_TAPES": str(REFERENCE / "golden"),
        "TAPEFLOW_RESULTS": str(results),
    }
    line = [sys.executable, "-m", "bytewax.run", "tapeflow.flows.trade:flow"]
    done = subprocess.run(
        line, cwd=ROOT, env=environment, check=False, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        f"tapeflow: {results} exists and holds no results of Tapeflow: name another file for --results"
    )
    assert results.read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
