"""On which rung a kernel runs: the library, numba's cache, numba in memory, plain Python."""

import os
import subprocess
import sys
import threading

import pytest

from tapeflow.engine import compiled as kernels
from tapeflow.engine import kernel_library, rungs
from tapeflow.engine.compiled import CACHE, FIRST_RUNG, HAS_NUMBA, MEMORY, PYTHON, compiled
from tapeflow.schemas.errors import UsageError
from tests.running import ROOT

needs_numba = pytest.mark.skipif(not HAS_NUMBA, reason="numba is not installed")


def add(left, right):
    return left + right


@pytest.fixture
def no_library(monkeypatch):
    """As where the library of kernels was not built."""
    monkeypatch.setattr(kernel_library, "open_library", lambda: (None, {}, kernel_library.MISSING))


@pytest.fixture
def no_cache(monkeypatch):
    """As where no folder can be written."""
    caching = pytest.importorskip("numba.core.caching")
    monkeypatch.setattr(caching.CacheImpl, "_locator_classes", [])


@needs_numba
def test_a_kernel_is_compiled_in_memory_where_no_folder_can_be_written(no_library, no_cache):
    assert rungs.why_slow() == rungs.NOT_CACHED
    assert kernels.make_kernel(add)[1] == MEMORY
    assert compiled(add)(1, 2) == 3


@needs_numba
def test_the_cache_of_a_checkout_is_beside_the_sources(no_library):
    assert rungs.why_slow() == ""
    folder = rungs.cache_folder()
    assert folder is not None
    assert folder.parent.name == "engine"
    assert kernels.make_kernel(add)[1] == CACHE
    assert f"not built ({rungs.BUILD}); numba compiles them" in rungs.describe_kernels()


KERNEL = """
from tapeflow.engine.compiled import compiled
from called import twice

@compiled
def kernel(number):
    return twice(number)

print(kernel(7))
"""
CALLED = """
from tapeflow.engine.compiled import called

@called
def twice(number):
    return number * 2
"""


@needs_numba
def test_cached_code_counts_only_while_all_files_that_a_kernel_calls_are_the_same(tmp_path):
    (tmp_path / "kernel.py").write_text(KERNEL)

    def answer(text):
        (tmp_path / "called.py").write_text(text)
        environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}"}
        command = [sys.executable, "-B", tmp_path / "kernel.py"]
        done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
        return int(done.stdout), len(list(tmp_path.rglob("*.nbc")))

    assert answer(CALLED) == answer(CALLED) == (14, 1)
    assert answer(CALLED.replace("number * 2", "number * 3"))[0] == 21


def test_without_library_and_numba_that_is_what_is_said(monkeypatch, no_library):
    monkeypatch.setattr(kernels, "HAS_NUMBA", False)
    assert not rungs.are_compiled()
    assert "not built" in rungs.why_slow()
    assert rungs.why_slow().endswith("and numba is not installed")
    assert kernels.make_kernel(add) == (add, PYTHON)
    assert compiled(add)("a", "b") == "ab"


def test_a_variable_names_the_first_rung(monkeypatch):
    monkeypatch.setenv(FIRST_RUNG, "python")
    assert kernels.make_kernel(add) == (add, PYTHON)
    assert not rungs.are_compiled()
    monkeypatch.setenv(FIRST_RUNG, "memory")
    assert kernels.make_kernel(add)[1] == (MEMORY if HAS_NUMBA else PYTHON)
    monkeypatch.setenv(FIRST_RUNG, "c")
    with pytest.raises(UsageError, match="TAPEFLOW_KERNELS=c: not one of library, cache"):
        kernels.make_kernel(add)


def test_threads_that_call_a_kernel_first_at_once_compile_it_once(monkeypatch):
    made, together = [], threading.Barrier(4)

    def make(function):
        made.append(function)
        threading.Event().wait(0.05)  # the others come in the meantime
        return function, PYTHON

    def call():
        together.wait()
        kernel(1, 2)

    monkeypatch.setattr(kernels, "make_kernel", make)
    kernel = compiled(add)
    threads = [threading.Thread(target=call) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == [add]
