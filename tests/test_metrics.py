"""The metrics of a run: served over a socket while it goes on, read by Prometheus' own parser."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from decimal import Decimal
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tapeflow.connectors.source.progress import Progress
from tapeflow.flows.cli.main import main
from tapeflow.flows.run import supervisor
from tapeflow.flows.run.metrics import RunMetrics
from tapeflow.flows.run.metrics_server import serving_metrics
from tapeflow.flows.run.plan import Plan
from tapeflow.flows.run.run import run_plan
from tapeflow.flows.run.stall_watch import StallWatch
from tapeflow.flows.run.tape_files import find_tapes
from tapeflow.flows.run.topic_partition import TopicPartition
from tapeflow.schemas.errors import TapeflowError
from tapeflow.schemas.time import MAX_NS
from tests.running import JOB, REFERENCE, ROOT, job_of, silent

GOLDEN = REFERENCE / "golden-heartbeat"
S = 10**9


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def scrape(port, host="127.0.0.1"):
    """The samples of one scrape: value by name and labels' values."""
    with urllib.request.urlopen(f"http://{host}:{port}/metrics", timeout=5) as answer:
        families = [*text_string_to_metric_families(answer.read().decode())]
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in families
        for sample in family.samples
    }


def wait_for(port, wanted, patience_s=60):
    """Scrape until a condition on the samples holds."""
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        with suppress(OSError):
            if wanted(found := scrape(port)):
                return found
        time.sleep(0.1)
    raise AssertionError("waited in vain")


@pytest.mark.parametrize(
    "shape",
    [(), ("--workers", "2"), ("--processes", "2")],
    ids=["1 worker", "2 workers", "2 processes"],
)
def test_a_run_serves_its_metrics_over_a_socket_while_it_goes_on(tmp_path, shape):
    port, state = free_port(), tmp_path / "state"
    job = tmp_path / "job.toml"
    lead = JOB.read_text().replace("[source]", '[source]\nmax_lead = "2s"')
    if "[source]" not in lead:
        lead += '\n[source]\nmax_lead = "2s"\n'
    job.write_text(lead)
    command = [
        "replay",
        GOLDEN,
        "--config",
        job,
        "--results",
        tmp_path / "r.duckdb",
        "--state",
        state,
    ]
    running = subprocess.Popen(
        [sys.executable, "-m", "tapeflow", *map(str, command), "--speed", "10x", *shape],
        cwd=ROOT,
        env={**os.environ, "TAPEFLOW_METRICS_PORT": str(port)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        first = wait_for(port, lambda found: found.get(("tapeflow_bars_total",), 0) > 20)
        second = wait_for(
            port, lambda found: found["tapeflow_bars_total",] > first["tapeflow_bars_total",]
        )
    finally:
        running.send_signal(signal.SIGTERM)
        running.communicate(timeout=30)
    for partition in ("binance-0", "coinbase-0"):
        assert (
            0
            < first["tapeflow_records_total", partition]
            <= second["tapeflow_records_total", partition]
        )
        assert second["tapeflow_log_time_seconds", partition] > 1_700_000_000
        assert ("tapeflow_lag_seconds", partition) not in second, "a replay has no lag"
    assert 0 < first["tapeflow_read_ratio",] <= second["tapeflow_read_ratio",] <= 1
    assert second["tapeflow_state_bytes",] > 1000
    assert second["tapeflow_restarts_total",] == 0
    assert {"tapeflow_late_trades_total", "tapeflow_dead_letters_total"} <= {
        name for name, *_ in second
    }
    assert any(name == "tapeflow_build_info" for name, *_ in second)
    with pytest.raises(OSError):
        scrape(port)


def test_refusals_are_counted_by_reason(tmp_path):
    port = free_port()
    job = job_of(metrics={"port": port}, recovery={"epoch": S // 100})
    poor = job.accounts[0].model_copy(update={"gross_max": Decimal(1)})
    job = job.model_copy(update={"accounts": (poor,)})
    plan = Plan(
        command="test", log=find_tapes([GOLDEN], job), job=job, results=tmp_path / "r", speed=40.0
    )
    seen = []

    def show(_line):
        with suppress(OSError):
            seen.append(scrape(port))

    run_plan(plan, show, silent)
    counts = [each.get(("tapeflow_refusals_total", "GROSS_LIMIT"), 0) for each in seen]
    assert counts == sorted(counts)
    assert counts[-1] > 0


def live_plan(tmp_path, **more):
    log = {name: TopicPartition("raw.a", 0, None) for name in ("a-0", "a-1")}
    return Plan(command="run", log=log, job=job_of(**more), results=tmp_path / "r.duckdb")


def collected(metrics):
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in metrics.collect()
        for sample in family.samples
    }


def test_a_live_partition_has_a_lag_by_the_wall_clock_and_a_stall(tmp_path):
    plan, progress = live_plan(tmp_path), Progress(("a-0", "a-1"), S)
    metrics = RunMetrics(plan)
    metrics.watch(plan, progress)
    progress.update("a-0", time.time_ns() - 7 * S, 3)
    found = collected(metrics)
    assert 7 <= found["tapeflow_lag_seconds", "a-0"] < 60
    assert ("tapeflow_lag_seconds", "a-1") not in found, "it has no record yet"
    watch = StallWatch(progress, S, silent)
    progress.update("a-1", time.time_ns(), 1)
    watch.look(0.0)
    watch.look(5.0)
    found = collected(metrics)
    assert found["tapeflow_partition_behind_seconds", "a-0"] == 5
    assert found["tapeflow_partition_behind_seconds", "a-1"] == 0
    progress.update("a-0", MAX_NS, 9)
    assert ("tapeflow_lag_seconds", "a-0") not in collected(metrics)


def test_no_counter_goes_back_when_all_processes_start_again(tmp_path):
    plan, progress = live_plan(tmp_path), Progress(("a-0", "a-1"), S)
    metrics = RunMetrics(plan)
    metrics.watch(plan, progress)
    progress.update("a-0", S, 1000)
    assert collected(metrics)["tapeflow_records_total", "a-0"] == 1000
    progress.reset()
    assert collected(metrics)["tapeflow_records_total", "a-0"] == 1000
    progress.update("a-0", S, 990)
    assert collected(metrics)["tapeflow_records_total", "a-0"] == 1000
    progress.update("a-0", S, 1010)
    assert collected(metrics)["tapeflow_records_total", "a-0"] == 1010


def test_restarts_are_counted(tmp_path, monkeypatch):
    failures = iter(["process 0 was killed by SIGKILL", "process 1 failed with exit code 1", None])
    monkeypatch.setattr(supervisor, "run_once", lambda processes, folder, progress: next(failures))
    plan, progress = live_plan(tmp_path), Progress(("a-0", "a-1"), S)
    supervisor.supervise(plan, progress, tmp_path, silent)
    metrics = RunMetrics(plan)
    metrics.watch(plan, progress)
    assert collected(metrics)["tapeflow_restarts_total",] == 2


def test_what_processes_write_is_read_through_the_shared_file(tmp_path):
    path = tmp_path / "progress"
    first = Progress(("a-0", "a-1"), S, path, processes=2)
    other = Progress(("a-0", "a-1"), S, path, processes=2)
    other.update("a-1", 5 * S, 7)
    other.set_extent("a-1", 50, 200)
    other.set_behind("a-0", 3 * S)
    other.set_compiling(1, True)
    assert (first.records_of("a-1"), first.share(), first.behind_s_of("a-0")) == (7, 0.25, 3.0)
    assert first.is_compiling()
    other.set_compiling(1, False)
    assert not first.is_compiling()
    assert first.compiling_s() > 0


def test_a_port_in_use_is_one_line_at_the_start_and_nothing_is_written(
    capsys, tmp_path, monkeypatch
):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        monkeypatch.setenv("TAPEFLOW_METRICS_PORT", str(port))
        command = ["replay", GOLDEN, "--config", JOB, "--results", tmp_path / "r.duckdb"]
        assert main([str(each) for each in command]) == 1
    (line,) = [each for each in capsys.readouterr().err.splitlines() if "not read" not in each]
    assert line == (
        f"tapeflow replay: metrics cannot be served at 127.0.0.1 port {port}: Address already in use: "
        "change [metrics] port, 0 for none"
    )
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize("host", ["no.such.host.invalid", "192.0.2.1"])
def test_an_address_that_is_not_ours_is_one_line(tmp_path, host):
    plan = live_plan(tmp_path, metrics={"port": free_port(), "host": host})
    with (
        pytest.raises(TapeflowError, match=f"metrics cannot be served at {host} port"),
        serving_metrics(plan),
    ):
        pass


def test_metrics_are_served_on_the_loopback_only_unless_the_job_says_otherwise(tmp_path):
    port = free_port()
    with serving_metrics(live_plan(tmp_path, metrics={"port": port})):
        assert scrape(port)
        with socket.socket() as listening, pytest.raises(OSError):
            listening.bind(("127.0.0.1", port))
        with socket.socket() as elsewhere:
            elsewhere.bind(("127.0.0.2", port))  # free: not all addresses are taken


def test_without_a_port_nothing_is_served_and_nothing_imported():
    code = (
        "import sys; from pathlib import Path\n"
        "from tests.running import *\n"
        "from tapeflow.flows.run.metrics_server import serving_metrics\n"
        "from tapeflow.flows.run.plan import Plan\n"
        "with serving_metrics(Plan(command='', log={}, job=job_of(), results=Path('r'))): pass\n"
        "import json; print(json.dumps('tapeflow.flows.run.metrics' in sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT
    )
    assert json.loads(done.stdout) is False


def test_the_documents_name_every_metric(tmp_path):
    plan = live_plan(tmp_path)
    plan_state = Plan(
        command="run", log=plan.log, job=plan.job, results=plan.results, state=tmp_path
    )
    progress = Progress(tuple(plan.log), S)
    progress.update("a-0", S, 1)
    progress.set_extent("a-0", 1, 2)
    metrics = RunMetrics(plan_state)
    metrics.watch(plan_state, progress)
    names = {family.name for family in metrics.collect()}
    text = (Path(ROOT) / "docs" / "running.md").read_text()
    assert len(names) >= 9
    assert [name for name in names if name not in text] == []
