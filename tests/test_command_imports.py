"""What each kind of command does not import: a start pays for every package that it loads."""

import gzip
import json
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tapeflow.engine.compiled import LIBRARY, rungs
from tapeflow.flows import trade
from tests.running import JOB, REFERENCE, ROOT

GOLDEN = REFERENCE / "golden"
assert trade  # its modules declare the kernels
LOOK = """
import atexit, json, sys
from tapeflow.__main__ import run
output, sys.stdout = sys.stdout, sys.stderr
atexit.register(lambda: print(json.dumps([*sys.modules]), file=output, flush=True))
run()
"""
NO_KAFKA = {"confluent_kafka", "tapeflow.connectors.kafka.client", "tapeflow.flows.run.topics"}
NO_SERVER = {"prometheus_client", "wsgiref", "http.server", "tapeflow.flows.run.metrics"}
NO_FLOW = {"bytewax", "asyncio", "pydantic", "numba", "tapeflow.flows.trade"}
NO_RESULTS = {"duckdb", "numpy", "pyarrow", "msgspec", "importlib.metadata", "decimal"}
NO_PARQUET = {"pyarrow.parquet", "pyarrow.compute", "numpy.ma"}
NO_COMPILER = {"numba", "llvmlite"} if set(rungs().values()) == {LIBRARY} else set()
NO_TESTING = {"bytewax.testing", "bytewax.run", "unittest", "tapeflow.connectors.synthetic.market"}


def modules_of(*command, code=0):
    """The modules that a process has imported when the command has ended."""
    done = subprocess.run(
        [sys.executable, "-c", LOOK, *map(str, command)],
        cwd=ROOT, check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.fixture(scope="module")
def replay_folder(tmp_path_factory):
    """The modules of a replay of text tapes, and its results."""
    results = tmp_path_factory.mktemp("replayed") / "results.duckdb"
    return modules_of("replay", GOLDEN, "--config", JOB, "--results", results), results


@pytest.mark.parametrize(
    "command",
    [
        ["--help"],
        ["--version"],
        ["help"],
        ["replay", "--help"],
        ["import", "--help"],
        ["init", "--help"],
    ],
)
def test_help_imports_no_library(command):
    modules = modules_of(*command)
    allowed = {"importlib.metadata"} if command == ["--version"] else set()
    assert not modules & (NO_RESULTS | NO_FLOW | NO_KAFKA | NO_SERVER) - allowed


def test_wrong_use_imports_no_library():
    assert not modules_of("replya", code=2) & (NO_RESULTS | NO_FLOW | NO_KAFKA | NO_SERVER)


@pytest.mark.parametrize("command", [["digest"], ["query", "FROM fills", "--results"]])
def test_a_command_that_reads_results_imports_neither_engine_nor_settings(command, replay_folder):
    modules = modules_of(*command, replay_folder[1])
    assert not modules & (NO_FLOW | NO_KAFKA | NO_SERVER | NO_PARQUET | {"numpy", "pyarrow"})


def test_a_replay_of_tapes_imports_nothing_of_kafka_and_no_server_of_metrics(replay_folder):
    modules, _ = replay_folder
    assert "tapeflow.flows.trade" in modules
    assert not modules & (NO_KAFKA | NO_SERVER | NO_PARQUET | NO_TESTING | NO_COMPILER)


def test_an_import_imports_neither_engine_nor_settings(tmp_path):
    (dump := tmp_path / "BTCUSDT-trades-2026-11-01.csv").write_text(
        "1,1.5,2,3,1793491200017,True,True\n"
    )
    modules = modules_of("import", dump, "--to", tmp_path / "tapes")
    assert not modules & (NO_FLOW | NO_KAFKA | NO_SERVER | {"duckdb", "pyarrow.parquet"})


def test_a_job_from_nothing_imports_no_library(tmp_path):
    modules = modules_of("init", tmp_path / "mine")
    assert not modules & (NO_FLOW | NO_KAFKA | NO_SERVER | {"duckdb", "pyarrow"})


def test_a_replay_of_parquet_imports_what_reads_parquet_only(tmp_path):
    (tapes := tmp_path / "tapes").mkdir()
    for path in GOLDEN.glob("*.tape.gz"):
        lines = [line.partition(b" ") for line in gzip.decompress(path.read_bytes()).splitlines()]
        columns = {"log_ns": [int(line[0]) for line in lines], "frame": [line[2] for line in lines]}
        pq.write_table(pa.table(columns), tapes / path.name.replace(".tape.gz", ".parquet"))
    modules = modules_of("replay", tapes, "--config", JOB, "--results", tmp_path / "r.duckdb")
    assert "pyarrow.parquet" in modules
    assert not modules & (NO_KAFKA | NO_SERVER | NO_TESTING | NO_COMPILER)
