"""Where compiled code is kept, and what happens where it cannot be."""

import threading

import pytest

from tapeflow.engine import compiled as kernels
from tapeflow.engine.compiled import COMPILED, NOT_CACHED, NOT_COMPILED, compiled

needs_numba = pytest.mark.skipif(not COMPILED, reason="numba is not installed")


def add(left, right):
    return left + right


@pytest.fixture
def no_cache(monkeypatch):
    """As where no folder can be written."""
    caching = pytest.importorskip("numba.core.caching")
    monkeypatch.setattr(caching.CacheImpl, "_locator_classes", [])
    monkeypatch.setattr("os.access", lambda *_: False)


@needs_numba
def test_a_kernel_is_compiled_in_memory_where_no_folder_can_be_written(no_cache):
    assert kernels.cache_folder() is None
    assert kernels.why_slow() == NOT_CACHED
    assert compiled(add)(1, 2) == 3


@needs_numba
def test_the_cache_of_a_checkout_is_beside_the_sources():
    assert kernels.why_slow() == ""
    folder = kernels.cache_folder()
    assert folder is not None
    assert folder.parent.name == "engine"


def test_without_numba_that_is_what_is_said(monkeypatch):
    monkeypatch.setattr(kernels, "COMPILED", False)
    assert kernels.why_slow() == NOT_COMPILED
    assert compiled(add)("a", "b") == "ab"


def test_threads_that_call_a_kernel_first_at_once_compile_it_once(monkeypatch):
    made, together = [], threading.Barrier(4)

    def make(function):
        made.append(function)
        threading.Event().wait(0.05)  # the others come in the meantime
        return function

    def call():
        together.wait()
        kernel(1, 2)

    monkeypatch.setattr(kernels, "_kernel", make)
    kernel = compiled(add)
    threads = [threading.Thread(target=call) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == [add]
