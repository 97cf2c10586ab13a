"""What nobody expected: one line with file and line, the trace in a file, in every shape."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tapeflow.engine.rungs import are_compiled
from tapeflow.flows.run.supervisor import free_addresses
from tests.running import JOB, REFERENCE, ROOT

GOLDEN = REFERENCE / "golden-heartbeat"
FAULTS = ROOT / "tests" / "faults"
TAPES = [str(GOLDEN / f"{name}-0.tape.gz") for name in ("binance", "coinbase")]
SHAPES = [
    (),
    pytest.param(("--workers", "2"), marks=pytest.mark.slow),
    pytest.param(("--processes", "2"), marks=pytest.mark.slow),
]
needs_kernels = pytest.mark.skipif(not are_compiled(), reason="kernels are not compiled")


def start(command, **variables):
    paths = os.pathsep.join([str(FAULTS), str(ROOT)])
    return subprocess.Popen(
        [sys.executable, "-m", *map(str, command)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": paths, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def replay(folder, strategy, *options, **variables):
    command = ["tapeflow", "replay", *TAPES, "--config", JOB, "--results", folder / "r.duckdb"]
    running = start([*command, *options], FAULTY_STRATEGY=strategy, **variables)
    _, error = running.communicate(timeout=180)
    return running.returncode, error


@pytest.mark.parametrize("shape", SHAPES)
def test_a_bug_of_a_strategy_is_one_line_with_its_name_file_and_line(tmp_path, shape):
    earlier = tmp_path / "notes.txt"
    earlier.write_text("mine")
    code, error = replay(tmp_path, "bad_key", *shape)
    assert code == 1
    (line,) = error.splitlines()
    assert "unexpected KeyError: 'no such key', in strategy" in line
    source = (FAULTS / "strategies.py").read_text().splitlines()
    number = 1 + next(n for n, text in enumerate(source) if "no such key" in text)
    assert f"strategies.py line {number}" in line
    (trace,) = tmp_path.glob("tapeflow-error-*.txt")
    assert line.endswith(f"the whole trace is in {trace}")
    text = trace.read_text()
    assert text.count("KeyError: 'no such key'") == 1, "said once"
    assert "command: " in text
    assert "Traceback" in text


def test_a_trace_comes_on_the_terminal_where_debugging_asks_for_it(tmp_path):
    code, error = replay(tmp_path, "bad_key", TAPEFLOW_DEBUG="1")
    assert code == 1
    assert "Traceback" in error
    assert error.splitlines()[-1].startswith("tapeflow replay: unexpected KeyError")
    assert not [*tmp_path.glob("tapeflow-error-*")]


@needs_kernels
@pytest.mark.parametrize("shape", SHAPES)
def test_a_fatal_signal_is_one_line_that_names_it_and_the_checked_mode(tmp_path, shape):
    code, error = replay(tmp_path, "wild_index", *shape)
    assert code == 1
    (line,) = error.splitlines()
    assert "was killed by SIGSEGV" in line
    assert "--checked finds it" in line
    trace = Path(re.search(r" in (\S+\.txt)$", line)[1])
    assert "Segmentation fault" in trace.read_text()
    trace.unlink()


FAIL_IN_THREADS = """
import ctypes, signal, threading
from tapeflow.flows.run.fatal_signals import reported_fatal_signals
failing = ctypes.CDLL(None)["raise"]
together = threading.Barrier(8)
def fail():
    together.wait()
    failing(signal.SIGSEGV)
with reported_fatal_signals(2):
    threads = [threading.Thread(target=fail) for _ in range(8)]
    [each.start() for each in threads]
    [each.join() for each in threads]
"""


@needs_kernels
def test_threads_that_fail_at_once_are_one_line():
    for _ in range(10):
        command = [sys.executable, "-c", FAIL_IN_THREADS]
        ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        assert ended.returncode == 1
        (line,) = ended.stderr.splitlines()
        assert "was killed by SIGSEGV" in line
        Path(re.search(r" in (\S+\.txt)$", line)[1]).unlink()


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(), ("--processes", "2")])
def test_a_checked_run_names_the_kernel_and_line_of_a_bad_index(tmp_path, shape):
    code, error = replay(tmp_path, "bad_index", "--checked", *shape)
    assert code == 1
    (line,) = error.splitlines()
    assert re.search(r"unexpected IndexError: index \d+ is out of bounds", line)
    source = (FAULTS / "strategies.py").read_text().splitlines()
    number = 1 + next(n for n, text in enumerate(source) if "row + 1]" in text)
    assert f"in kernel bad_index, strategies.py line {number}, in strategy" in line


def by_hand(folder, *options, **variables):
    named = {"TAPEFLOW_CONFIG": str(JOB), "TAPEFLOW_TAPES": os.pathsep.join(TAPES)}
    results = {"TAPEFLOW_RESULTS": str(folder / "r.duckdb")}
    command = ["bytewax.run", "tapeflow.flows.trade:flow", *options]
    return start(command, **{**named, **results, **variables})


@pytest.mark.parametrize(
    ("code", "says", "variables"),
    [
        (2, "which job. set TAPEFLOW_CONFIG", {"TAPEFLOW_CONFIG": ""}),
        (2, "nowhere.toml: cannot be read", {"TAPEFLOW_CONFIG": "nowhere.toml"}),
        (2, "README.md: not TOML", {"TAPEFLOW_CONFIG": "README.md"}),
        (2, "nowhere does not exist", {"TAPEFLOW_TAPES": "nowhere"}),
        (2, "TAPEFLOW_BARS_WITH is no setting", {"TAPEFLOW_BARS_WITH": "1s"}),
        (1, "unexpected KeyError: 'no such key', in strategy", {"FAULTY_STRATEGY": "bad_key"}),
    ],
)
def test_a_failure_under_the_engines_own_command_is_one_line(tmp_path, code, says, variables):
    failed = by_hand(tmp_path, **variables)
    _, error = failed.communicate(timeout=60)
    (line,) = error.splitlines()
    assert re.search(f"^tapeflow: .*{says}", line), line
    assert failed.returncode == code


@pytest.mark.slow
def test_a_cluster_that_shares_no_folder_says_so_and_ends(tmp_path):
    addresses = ";".join(free_addresses(2))
    running = []
    for number in (0, 1):
        folder = tmp_path / str(number)
        folder.mkdir()
        running.append(by_hand(folder, "-i", number, "-a", addresses))
    errors = [each.communicate(timeout=90)[1] for each in running]
    assert [each.returncode for each in running] == [1, 1]
    messages = [line for error in errors for line in error.splitlines()]
    assert any("must share the folder of the results" in line for line in messages), messages
    assert all(len(error.splitlines()) == 1 for error in errors), errors


def test_a_second_interrupt_and_an_early_one_are_one_line_at_most(tmp_path):
    command = ["tapeflow", "replay", *TAPES, "--config", JOB, "--results", tmp_path / "r.duckdb"]
    for wait_s in (0.3, 0.6, 1.0):
        running = start(command)
        time.sleep(wait_s)
        running.send_signal(signal.SIGINT)
        _, error = running.communicate(timeout=30)
        if "site" in error:
            continue  # Python itself had not started
        assert len(error.splitlines()) <= 1, error
        assert "Traceback" not in error
