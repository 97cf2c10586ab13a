"""The last rung, plain Python: the tests of the kernels' laws, and the golden answers, on it too.

And without numba the library of kernels serves alone.
"""

import os
import subprocess
import sys

import pytest

from tapeflow.engine.compiled import FIRST_RUNG
from tests.running import JOB, REFERENCE, ROOT

HIDDEN = ROOT / "tests" / "without_numba"
LAWS = "bars dedupe normalise sequence signals marks merge watch venue_clock funding selection risk quality log_clock fine_points"
DIGESTS = {
    "golden": "8007d6b0e0bc170ed29f653b57ba54afffecefc81cb14ec20841abbb03df869b",
    "golden-heartbeat": "7a2a0ae254f4625a35c5dcada60f95f0e187f5e4d0df4355cb81a3a98f107678",
}


def run_without_numba(*arguments, rung="python"):
    path = os.pathsep.join([str(HIDDEN), str(ROOT)])
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": path, FIRST_RUNG: rung}, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_numba_is_hidden():
    code = "from tapeflow.engine.compiled import HAS_NUMBA; print(HAS_NUMBA)"
    assert run_without_numba("-c", code).stdout.strip() == "False"


@pytest.mark.slow
@pytest.mark.parametrize("name", LAWS.split())
def test_the_tests_of_a_step_hold_without_numba(name):
    done = run_without_numba(
        "-m", "pytest", "-q", "-m", "not slow and not kafka", f"tests/test_{name}.py"
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("name", DIGESTS)
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("rung", ["python", "library"])
def test_the_golden_answer_is_the_same_without_numba(tmp_path, name, workers, rung):
    results = tmp_path / "r.duckdb"
    done = run_without_numba(
        "-m", "tapeflow", "replay", REFERENCE / name, "--config", JOB, "--results", results,
        "--workers", workers, rung=rung,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert ("numba is not installed" in done.stderr) == (rung == "python")
    digest = run_without_numba("-m", "tapeflow", "digest", results).stdout
    assert digest.strip() == DIGESTS[name]
