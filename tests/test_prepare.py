"""Nothing is made for the first time by two threads at once: all is made before they start.

The long form of the race: ROUNDS=10000 python -m pytest tests/test_prepare.py
"""

import ast
import gzip
import os
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tapeflow.engine.rungs import are_compiled
from tests.running import JOB, REFERENCE, ROOT
from tests.test_rooms import OURS, functions_of, path_name, room_of, tree_of

GOLDEN = REFERENCE / "golden-heartbeat"
ROUNDS = int(os.environ.get("ROUNDS", "50"))
SECOND_ACCOUNT = """
[[accounts]]
name = "second"
position_max = 1
gross_max = 60000
orders_max = 8
orders_window = "10s"
[[strategies]]
name = "again"
kind = "ema_cross"
fast = 3
slow = 9
account = "second"
size = 1
[recovery]
epoch = "50ms"
"""
BUILD = """
import sys
from pathlib import Path
from tapeflow.engine import compiled
from tapeflow.engine.fold import folded_steps
from tapeflow.engine.prepare import prepare
from tapeflow.flows import trade
from tapeflow.flows.job import settings
from tapeflow.flows.run import engine
from tapeflow.flows.run.flow import open_progress
from tapeflow.flows.run.tape_files import find_tapes
from tapeflow.flows.run.plan import Plan
from tapeflow.flows.run.run import run_plan

folder, tapes = Path(sys.argv[1]), Path(sys.argv[2])
job = settings.load(folder / "job.toml", {})
plan = Plan(
    command="t", log=find_tapes([tapes], job), job=job, results=folder / "r.duckdb",
    state=folder / "state", workers=2,
)
silent = lambda line: None
"""
# Prints the modules that were imported, and the kernels that were made, while the engine ran.
WATCHED = """
execute, kernel, made, imported = engine.execute, compiled.make_kernel, [], set()

def execute_watched(*arguments):
    before = set(sys.modules)
    compiled.make_kernel = lambda function: made.append(function.__name__) or kernel(function)
    try:
        execute(*arguments)
    finally:
        imported.update(set(sys.modules) - before)

engine.execute = execute_watched
run_plan(plan, silent, silent)
compiling = {name for name in imported if name.startswith("numba.")}  # under numba's own lock
print(sorted(imported - compiling), made)
"""
# In each fresh process four threads restore together what they have never met before.
RACE = """
import os, threading
from collections import Counter

flow = trade.dataflow(plan, open_progress(plan), silent)
saved = [(step, step.snapshot(step.initial())) for step in folded_steps(flow).values()]
compiled.make_kernels()
sys.setswitchinterval(1e-5)
codes, gate = Counter(), threading.Barrier(4)

def restore():
    gate.wait()
    for step, snapshot in saved:
        step.restore(snapshot)

for _ in range(int(sys.argv[3])):
    child = os.fork()
    if not child:
        prepare(flow)
        threads = [threading.Thread(target=restore) for _ in range(4)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        os._exit(0)
    codes[os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])] += 1
print(dict(codes))
"""


def output_of(script, folder, *arguments):
    """Run a script on a job with two accounts, in a process of its own."""
    (folder / "job.toml").write_text(JOB.read_text() + SECOND_ACCOUNT)
    ran = subprocess.run(
        [sys.executable, "-c", BUILD + script, folder, *map(str, arguments)],
        cwd=ROOT, check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.splitlines()[-1]


def parquet_of(tapes, folder):
    """The tapes as Parquet files."""
    folder.mkdir()
    for path in tapes.glob("*.tape.gz"):
        lines = [line.partition(b" ") for line in gzip.decompress(path.read_bytes()).splitlines()]
        columns = {"log_ns": [int(line[0]) for line in lines], "frame": [line[2] for line in lines]}
        pq.write_table(pa.table(columns), folder / path.name.replace(".tape.gz", ".parquet"))
    return folder


@pytest.mark.skipif(not are_compiled(), reason="kernels are not compiled")
@pytest.mark.parametrize("stored", ["text", "parquet"])
def test_the_threads_of_the_engine_import_nothing_and_make_no_kernel(tmp_path, stored):
    tapes = GOLDEN if stored == "text" else parquet_of(GOLDEN, tmp_path / "tapes")
    assert output_of(WATCHED, tmp_path, tapes) == "[] []"
    assert output_of(WATCHED, tmp_path, tapes) == "[] []"  # resumed


def test_threads_that_restore_every_step_at_once_live(tmp_path):
    assert output_of(RACE, tmp_path, GOLDEN, ROUNDS) == str({0: ROUNDS})


RUN_BY_THREADS = [
    path
    for path in OURS
    if room_of(path) in {"engine", "operators", "connectors"} and path.name != "compiled.py"
]  # compiled.py makes kernels under a lock


@pytest.mark.parametrize("path", RUN_BY_THREADS, ids=path_name)
def test_a_decoder_of_a_type_is_made_where_its_module_is_imported(path):
    lazy = [
        ast.unparse(node)
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func)
        in {"msgspec.msgpack.decode", "msgspec.json.decode", "msgspec.convert"}
        and any(named.arg == "type" for named in node.keywords)
    ]
    assert not lazy


@pytest.mark.parametrize("path", RUN_BY_THREADS, ids=path_name)
def test_a_cached_function_that_imports_is_marked_to_be_called_before_threads(path):
    for function in functions_of(path):
        marks = [ast.unparse(mark) for mark in function.decorator_list]
        imports = any(isinstance(each, ast.Import | ast.ImportFrom) for each in ast.walk(function))
        assert not (imports and "cache" in marks) or "call_early" in marks, function.name
