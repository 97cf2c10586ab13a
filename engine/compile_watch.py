"""Notices of kernels that are being compiled: it takes seconds, and a user should see why."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

_watchers: list[Callable[[bool], None]] = []
_depth = [0]  # kernels that are being compiled now, one for the other


@contextmanager
def watching_compiler(notice: Callable[[bool], None]) -> Iterator[None]:
    """Call `notice` with True when kernels begin to be compiled, with False when they are.

    What is read from the library or from numba's cache is not compiled.
    """
    _watchers.append(notice)
    try:
        yield
    finally:
        _watchers.remove(notice)


def notice_compiler(step: int) -> None:
    """Tell the watchers of the first kernel that begins (1), and of the last one that ends (-1).

    A kernel compiles those that it calls.
    """
    before = _depth[0]
    _depth[0] += step
    if bool(before) != bool(_depth[0]):
        for notice in _watchers:
            notice(bool(_depth[0]))
