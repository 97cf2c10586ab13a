"""Kernels: loops over arrays, compiled by numba; where it is not installed plain Python, slower.

A function marked `@compiled` is written for numba's subset: arrays and numbers in, numbers out. It
is compiled at its first call, and it lets go of the GIL, so that workers run in parallel. Importing
numba takes a second: commands that run no flow never get there.

What it calls is marked `@inlined`. Three rules, each measured:
- Both stand in one file: by its date numba knows whether the machine code it keeps is still good.
- Named tuples and small records are free inside, but no arguments: each costs a microsecond a call,
  and a class of ours in a signature that is renamed later makes what numba has kept unreadable.
- In a loop an inlined function hands no arrays on to another: numba then counts references, and
  the bars took four times as long.

Compiling takes ten seconds, so numba keeps machine code in the first of these folders that it can
write:

    $NUMBA_CACHE_DIR  ─▶  __pycache__ beside the source  ─▶  numba's folder in the user's cache
                                                                  (~/.cache/numba)
    none of them  ─▶  compiled in memory, again by each process
"""

import os
from collections.abc import Callable
from functools import wraps
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])

COMPILED = find_spec("numba") is not None
NOT_COMPILED = "numba is not installed: everything works, slower; pip install tapeflow[fast]"
NOT_CACHED = (
    "no folder for compiled code can be written: each process compiles for ten seconds first; "
    "name a folder in NUMBA_CACHE_DIR"
)
ONE_COMPILER = Lock()  # threads that call a kernel first at the same time share one
_inlined: list[Callable[..., Any]] = []  # functions that numba does not know yet


def compiled(function: F) -> F:
    """Compile `function` when it is first called."""
    kernels: list[Callable[..., Any]] = []

    @wraps(function)
    def call(*arguments: Any, **named: Any) -> Any:
        if not kernels:
            with ONE_COMPILER:
                kernels[:] = kernels or [_kernel(function)]
        return kernels[0](*arguments, **named)

    return call  # type: ignore[return-value]  # the same signature


def inlined(function: F) -> F:
    """Let compiled functions call `function`: it becomes a part of each, without a call's cost."""
    _inlined.append(function)
    return function


def why_slow() -> str:
    """Return why kernels are slow, or slow to start, in this installation; "" where they are not.

    Imports numba only where the sources cannot be written.
    """
    if not COMPILED:
        return NOT_COMPILED
    if os.access(Path(__file__).parent, os.W_OK) or cache_folder() is not None:
        return ""
    return NOT_CACHED


def cache_folder() -> Path | None:
    """Return the folder where numba keeps the machine code of this file; None: in memory only."""
    path = _kernel(cache_folder).stats.cache_path
    return None if path is None else Path(path)


def _kernel(function: Callable[..., Any]) -> Any:
    """Return numba's dispatcher of `function`, which compiles it; without numba `function`."""
    if not COMPILED:
        return function
    from numba import njit  # noqa: PLC0415  # late: see above
    from numba.extending import register_jitable  # noqa: PLC0415

    while _inlined:
        register_jitable(forceinline=True)(_inlined.pop())
    try:
        return njit(nogil=True, cache=True)(function)
    except RuntimeError:  # numba: "no locator available", no folder can be written
        return njit(nogil=True)(function)
