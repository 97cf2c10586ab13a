"""Kernels: loops over arrays, compiled by numba; without numba they run as plain Python, slower.

A function marked `@compiled` is written for numba's subset: arrays and numbers in, numbers out. It
is compiled at its first call, and releases the GIL, so that workers run in parallel. Importing
numba takes a second: commands that run no flow do not import it.

Functions that a kernel calls are marked `@inlined`. Three rules, each measured:
- A kernel and its inlined functions are in one file: numba compares only the date of that file to
  decide whether its cached machine code is valid.
- Named tuples and small records cost nothing inside a kernel, but are never its arguments: each
  costs a microsecond a call, and a renamed class in a signature makes numba's cache unreadable.
- In a loop an inlined function passes no array to another one: numba would count references, and
  the bars took four times as long.

Compiling takes ten seconds, so numba caches machine code in the first of these folders that it can
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
ONE_COMPILER = Lock()  # of threads that make the first call of a kernel together, one compiles
_makes: list[Callable[[], None]] = []
_inlined: list[Callable[..., Any]] = []  # not registered with numba yet


def compiled(function: F) -> F:
    """Compile `function` when it is first called."""
    kernels: list[Callable[..., Any]] = []

    def make() -> None:
        with ONE_COMPILER:
            kernels[:] = kernels or [_kernel(function)]

    @wraps(function)
    def call(*arguments: Any, **named: Any) -> Any:
        if not kernels:
            make()
        return kernels[0](*arguments, **named)

    _makes.append(make)
    return call  # type: ignore[return-value]  # the same signature


def make_kernels() -> None:
    """Make numba's dispatchers of all compiled functions; each compiles when it is first called."""
    for make in _makes:
        make()


def inlined(function: F) -> F:
    """Let compiled functions call `function`: numba inlines it, so a call costs nothing."""
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
    """Return the folder where numba caches the machine code of this file; None: in memory only."""
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
