"""Folds over columns: compiled by numba where it is installed, plain Python, slower, where not.

A function marked `@compiled` is written for numba's subset: arrays and numbers in, numbers out. It
is compiled at its first call and kept on disk, and it lets go of the GIL, so that workers run in
parallel. Importing numba takes a second: commands that run no flow never get there.
"""

from collections.abc import Callable
from functools import wraps
from importlib.util import find_spec
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])

COMPILED = find_spec("numba") is not None


def compiled(function: F) -> F:
    """Compile `function` when it is first called."""
    kernels: list[Callable[..., Any]] = []

    @wraps(function)
    def call(*arguments: Any, **named: Any) -> Any:
        if not kernels:
            kernels.append(_compile(function))
        return kernels[0](*arguments, **named)

    return call  # type: ignore[return-value]  # the same signature


def _compile(function: Callable[..., Any]) -> Callable[..., Any]:
    if not COMPILED:
        return function
    from numba import njit  # noqa: PLC0415  # late: see above

    kernel: Callable[..., Any] = njit(nogil=True, cache=True)(function)
    return kernel
