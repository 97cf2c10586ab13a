"""Runs that stop and go on: by a signal, in another shape, on a state that fits or does not."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from msgspec.structs import replace

from tapeflow.connectors.duckdb import query as duckdb_query
from tapeflow.connectors.duckdb.sink import ResultsSinkPartition
from tapeflow.connectors.kafka.offsets import offset_bounds
from tapeflow.connectors.source.progress import Progress
from tapeflow.connectors.state.directory import StateDir
from tapeflow.flows import archive, trade
from tapeflow.flows.run import supervisor
from tapeflow.flows.run.flow import Flow, open_progress
from tapeflow.flows.run.plan import Plan
from tapeflow.flows.run.run import run_plan
from tapeflow.flows.run.tape_files import find_tapes
from tapeflow.schemas.bar_width import BarWidth
from tapeflow.schemas.errors import TapeflowError, UsageError
from tests.running import JOB, REFERENCE, ROOT, digest, job_of, job_text, loaded, replay, silent

GOLDEN = REFERENCE / "golden-heartbeat"
SHAPES = [(1, 1), (1, 2), (2, 1), (2, 2)]  # processes, workers


def job_file(folder, extra="", epoch="100ms"):
    path = folder / "job.toml"
    recovery = f'[recovery]\nepoch = "{epoch}"\n'
    source = 'page_records = 50\nmax_lead = "2s"\n'
    path.write_text(job_text(recovery + extra, source=source))
    return path


def start(folder, *arguments, command="replay"):
    line = [
        sys.executable, "-m", "tapeflow", command, *arguments, "--config", folder / "job.toml",
        "--results", folder / "results.duckdb", "--state", folder / "state",
    ]  # fmt: skip
    with (folder / "stderr").open("ab") as errors:
        return subprocess.Popen(
            list(map(str, line)), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=errors
        )


def wait_until(condition, patience_s=30):
    deadline = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def count(results, table):
    try:
        return duckdb_query.query(results, f"SELECT count(*) AS n FROM {table}").rows[0][0]
    except TapeflowError:
        return 0


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda n: n.name)
@pytest.mark.parametrize(("processes", "workers"), SHAPES)
def test_a_signal_stops_any_shape_and_the_next_start_continues(
    tmp_path, processes, workers, number
):
    expected = replay(GOLDEN, tmp_path / "unbroken.duckdb")
    job_file(tmp_path)
    results = tmp_path / "results.duckdb"
    shape = ("--processes", processes, "--workers", workers)
    running = start(tmp_path, GOLDEN, "--speed", "20x", *shape)
    wait_until(lambda: count(results, "bars") > 100)
    began = time.monotonic()
    running.send_signal(number)
    assert running.wait(10) == 128 + number
    assert time.monotonic() - began < 2
    stopped = tmp_path / "results.duckdb.partial"
    bars = count(stopped, "bars")
    with_open = duckdb_query.query(stopped, "SELECT count(*) FROM bars WHERE NOT complete").rows
    assert bars < 3000, "it was not stopped in the middle"
    assert with_open[0][0] <= 20, "a stop closes no bar early"
    assert start(tmp_path, GOLDEN).wait(60) == 0
    assert digest(results) == expected


def test_a_state_continues_in_any_shape(tmp_path):
    expected = replay(GOLDEN, tmp_path / "unbroken.duckdb")
    job_file(tmp_path)
    results = tmp_path / "results.duckdb"
    for processes, workers in [(1, 1), (3, 1), (1, 2)]:
        shape = ("--processes", processes, "--workers", workers)
        before = count(tmp_path / "results.duckdb.partial", "bars")
        running = start(tmp_path, GOLDEN, "--speed", "40x", *shape)
        wait_until(lambda: count(results, "bars") > before + 50)  # noqa: B023
        running.terminate()
        assert running.wait(10) == 128 + signal.SIGTERM
    assert start(tmp_path, GOLDEN, "--workers", 2).wait(60) == 0
    assert digest(results) == expected
    ids = duckdb_query.query(
        results, "SELECT id, finished IS NOT NULL AS done FROM runs ORDER BY id"
    ).rows
    assert [row[0] for row in ids] == [1, 2, 3, 4]


def test_processes_give_the_same_digest_as_one(tmp_path):
    expected = replay(GOLDEN, tmp_path / "one.duckdb")
    for processes in (2, 3):
        plan = Plan(
            command="test", log=find_tapes([GOLDEN], job_of()), job=job_of(),
            results=tmp_path / "several.duckdb", processes=processes,
        )  # fmt: skip
        run_plan(plan, silent, silent)
        assert digest(plan.results) == expected


def plan_on(folder, job=None, tapes=GOLDEN):
    job = job or job_of()
    return Plan(
        command="test", log=find_tapes([tapes], job), job=job,
        results=folder / "results.duckdb", state=folder / "state",
    )  # fmt: skip


def test_a_finished_state_has_nothing_more_to_do(tmp_path):
    expected = replay(GOLDEN, tmp_path / "unbroken.duckdb")
    for _ in range(2):
        run_plan(plan_on(tmp_path), silent, silent)
        assert digest(tmp_path / "results.duckdb") == expected


def test_a_state_of_other_settings_is_refused(tmp_path):
    run_plan(plan_on(tmp_path), silent, silent)
    wider = job_of(bars={"width": BarWidth(2_000_000_000)})
    with pytest.raises(TapeflowError, match="the state was made with bars") as raised:
        run_plan(plan_on(tmp_path, wider), silent, silent)
    assert "start with a fresh --state" in str(raised.value)


def test_a_state_of_another_version_is_refused(tmp_path):
    run_plan(plan_on(tmp_path), silent, silent)
    path = tmp_path / "state" / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["states"]["trade.bars.state"] += 1
    path.write_text(json.dumps(manifest))
    with pytest.raises(TapeflowError, match=r"state of step trade\.bars\.state in version"):
        run_plan(plan_on(tmp_path), silent, silent)


def test_limits_may_change_under_a_state(tmp_path):
    run_plan(plan_on(tmp_path), silent, silent)
    job = job_of()
    account = job.accounts[0].model_copy(update={"orders_max": 1})
    run_plan(plan_on(tmp_path, job.model_copy(update={"accounts": (account,)})), silent, silent)


def test_a_missing_partition_is_refused_and_a_new_one_is_notified(tmp_path):
    few = tmp_path / "few"
    few.mkdir()
    (few / "binance-0.tape.gz").symlink_to(GOLDEN / "binance-0.tape.gz")
    messages = []
    run_plan(plan_on(tmp_path, tapes=few), silent, messages.append)
    run_plan(plan_on(tmp_path), silent, messages.append)
    assert any("partition coinbase-0 is new to this state" in line for line in messages)
    with pytest.raises(TapeflowError, match="the state has read coinbase-0"):
        run_plan(plan_on(tmp_path, tapes=few), silent, silent)


def test_results_may_be_inside_the_folder_of_the_state(tmp_path):
    expected = replay(GOLDEN, tmp_path / "unbroken.duckdb")
    plan = plan_on(tmp_path)
    inside = replace(plan, results=tmp_path / "state" / "results.duckdb")
    run_plan(inside, silent, silent)
    assert digest(inside.results) == expected
    with pytest.raises(UsageError, match="the state's own file"):
        run_plan(replace(plan, results=tmp_path / "state" / "work.duckdb"), silent, silent)


def test_a_state_at_the_end_of_its_log_notifies_that(tmp_path):
    messages = []
    for _ in range(2):
        run_plan(plan_on(tmp_path), silent, messages.append)
    assert len(messages) == 1
    assert "has read its log to the end" in messages[0]


def test_restarts_without_progress_are_counted(tmp_path, monkeypatch):
    job = job_of()
    plan = Plan(command="t", log=find_tapes([GOLDEN], job), job=job, results=tmp_path / "r")
    board = Progress(tuple(plan.log), 1)
    lives = iter([500, 900, 700, 800, 600, 850, 400, 300, 200, 100])

    def once(processes, folder, progress):
        board.update("binance-0", 1, next(lives))
        return "process 0 died"

    monkeypatch.setattr(supervisor, "run_once", once)
    monkeypatch.setattr(supervisor, "WAIT_S", 0.001)
    with pytest.raises(TapeflowError, match="5 times in a row"):
        supervisor.supervise(plan, board, tmp_path, silent)
    assert next(lives) == 300  # two that went on, and five that did not


def test_a_state_serves_one_run_at_a_time(tmp_path):
    held = StateDir(tmp_path / "state")
    with pytest.raises(TapeflowError, match="in use by another run"):
        run_plan(plan_on(tmp_path), silent, silent)
    held.release()


FLOWS: dict[str, Flow] = {"trade": trade, "archive": archive}  # mypy checks what they offer


@pytest.mark.parametrize("name", FLOWS)
def test_every_stateful_step_is_named_with_its_version(name):
    found, flow = set(), FLOWS[name]

    def walk(operators):
        for each in operators:
            if type(each).__name__ in {"input", "output", "stateful_batch"}:
                found.add(each.step_id)
            walk(each.substeps)

    job = job_of()
    plan = Plan(command="t", log=find_tapes([GOLDEN], job), job=job, results=Path("r"))
    dataflow = flow.dataflow(plan, Progress(tuple(plan.log), 1), silent)
    walk(dataflow.substeps)
    assert dataflow.flow_id == name
    optional = getattr(flow, "OPTIONAL_STEPS", set())  # a test of each of them has its own job
    assert found == set(flow.STATE_VERSIONS) - optional


def test_a_state_of_another_flow_is_refused(tmp_path):
    run_plan(plan_on(tmp_path), silent, silent)
    other = replace(plan_on(tmp_path), flow="archive", results=tmp_path / "archive")
    with pytest.raises(TapeflowError, match="made with flow trade, this is archive"):
        run_plan(other, silent, silent)


def test_partitions_that_are_not_merged_never_wait_for_each_other(tmp_path):
    plan = plan_on(tmp_path)
    for name, waits in [("trade", True), ("archive", False)]:
        progress = open_progress(replace(plan, flow=name))
        progress.update("binance-0", 10**18, 5)  # coinbase-0 has no record yet
        assert progress.is_ahead("binance-0") == waits


def test_repeated_failures_end_the_run_with_the_last_line_of_output(tmp_path, monkeypatch):
    monkeypatch.setattr(supervisor, "ENTRY", "tests.faults.dying")
    monkeypatch.setattr(supervisor, "WAIT_S", 0.01)
    job = job_of()
    plan = Plan(
        command="test", log=find_tapes([GOLDEN], job), job=job,
        results=tmp_path / "results.duckdb", processes=2,
    )  # fmt: skip
    messages = []
    with pytest.raises(TapeflowError, match="5 times in a row: RuntimeError: on purpose"):
        run_plan(plan, silent, messages.append)
    assert len(messages) == 5


def test_a_full_disk_is_a_clear_error_and_nothing_is_lost(tmp_path):
    expected = replay(GOLDEN, tmp_path / "unbroken.duckdb")
    job_file(tmp_path, epoch="1s")  # few epochs: it is the results that fill the disk
    code = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (3_000_000, 3_000_000));"
        "from tapeflow.flows.cli.main import main; sys.exit(main(sys.argv[1:]))"
    )
    line = [
        sys.executable, "-c", code, "replay", GOLDEN, "--config", tmp_path / "job.toml",
        "--results", tmp_path / "results.duckdb", "--state", tmp_path / "state",
    ]  # fmt: skip
    full = subprocess.run(
        list(map(str, line)), check=False, cwd=ROOT, capture_output=True, text=True
    )
    assert full.returncode == 1
    assert "cannot be written" in full.stderr.strip().splitlines()[-1]
    assert "Traceback" not in full.stderr
    assert start(tmp_path, GOLDEN).wait(60) == 0  # room again
    assert digest(tmp_path / "results.duckdb") == expected


def test_a_slow_sink_holds_the_sources_back(tmp_path, monkeypatch):
    expected = replay(GOLDEN, tmp_path / "unbroken.duckdb")
    seal, held = ResultsSinkPartition.snapshot, []

    def slow(part):
        held.append(part.buffer.rows)
        time.sleep(0.2)
        return seal(part)

    monkeypatch.setattr(ResultsSinkPartition, "snapshot", slow)
    job = job_of(
        recovery={"epoch": 20_000_000}, source={"page_records": 20, "max_lead": 2_000_000_000}
    )
    assert replay(GOLDEN, tmp_path / "slow.duckdb", job) == expected
    assert len(held) > 2
    assert max(held) < 1500, "an epoch's facts are all that waits"


@pytest.mark.slow
@pytest.mark.parametrize(("processes", "workers"), [(1, 1), (2, 1)])
def test_a_run_follows_its_topics_until_stopped_and_continues(tmp_path, processes, workers):
    job_file(tmp_path)
    results = tmp_path / "results.duckdb"
    with loaded(GOLDEN) as job:
        shape = ("--processes", processes, "--workers", workers, "--bootstrap", job.kafka.bootstrap)
        replay(GOLDEN, tmp_path / "whole.duckdb")
        for _ in range(2):
            running = start(tmp_path, *shape, command="run")
            try:
                wait_until((tmp_path / "results.duckdb.lock").exists)  # from then on it can stop
                time.sleep(1)  # the second has nothing left to read
                wait_until(lambda: count(results, "bars") > 2200)
                began = time.monotonic()
                running.send_signal(signal.SIGTERM)
                assert running.wait(10) == 0, (tmp_path / "stderr").read_text()
                assert time.monotonic() - began < 2
            finally:
                running.kill()  # where an assertion has failed
        whole = duckdb_query.query(tmp_path / "whole.duckdb", "FROM bars ORDER BY ALL").rows
        bars = duckdb_query.query(results, "FROM bars ORDER BY ALL").rows
        assert len(bars) == len(set(bars))
        assert {row[:10] for row in bars} <= {row[:10] for row in whole}
        assert len(whole) - len(bars) < 60, "only the last bars stay open"


@pytest.mark.slow
def test_time_is_kept_over_a_log_of_years_ago_and_the_run_stops_at_once(tmp_path):
    """Heartbeats carry today's log time: the log has a gap of years, behind fills."""
    job_file(tmp_path)
    topics = ["raw.binance", "raw.coinbase"]
    with loaded(GOLDEN) as job:
        at = job.kafka.bootstrap

        def records():
            marks = offset_bounds(at, topics, 10, silent)
            return [high for topic in topics for _, high in marks[topic]]

        before = records()
        running = start(tmp_path, "--bootstrap", at, "--heartbeats", command="run")
        wait_until(lambda: count(tmp_path / "results.duckdb", "bars") > 2200)
        wait_until(lambda: all(now > then + 5 for then, now in zip(before, records(), strict=True)))
        running.terminate()
        assert running.wait(10) == 0
    assert count(tmp_path / "results.duckdb", "fills") > 20
    assert count(tmp_path / "results.duckdb", "equity") < 1000


@pytest.mark.parametrize(
    ("flow", "processes"),
    [("flows.trade:flow", 1), ("flows.trade:flow", 2), ("tapeflow.flows.trade:flow", 1)],
)
def test_the_flow_runs_under_the_engines_own_command(tmp_path, flow, processes):
    expected = replay(GOLDEN, tmp_path / "ours.duckdb")
    results = tmp_path / "theirs.duckdb"
    environment = {
        **os.environ,
        "TAPEFLOW_CONFIG": str(JOB),
        "TAPEFLOW_TAPES": str(GOLDEN),
        "TAPEFLOW_RESULTS": str(results),
    }
    line = [sys.executable, "-m", "bytewax.run", flow]
    addresses = ";".join(supervisor.free_addresses(processes))
    shapes = [["-w", "2"]] if processes == 1 else [["-i", str(n), "-a", addresses] for n in (0, 1)]
    running = [
        subprocess.Popen(line + shape, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
        for shape in shapes
    ]
    assert [each.wait(60) for each in running] == [0] * processes
    assert digest(results) == expected
