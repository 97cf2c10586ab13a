"""Kernels compiled by numba when they are first called: those that the library does not hold.

    the user's own kernels, sources that were edited, --checked, no library at all

Compiling takes seconds, so numba caches machine code in the first of these folders that it can
write:

    $NUMBA_CACHE_DIR  ─▶  __pycache__ beside the source  ─▶  numba's folder in the user's cache
                                                                  (~/.cache/numba)
    none of them  ─▶  compiled in memory, again by each process

Importing this module imports numba.
"""

from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from numba import config, njit
from numba.core import event
from numba.extending import register_jitable

import tapeflow.engine.block_code
import tapeflow.engine.memory_code  # noqa: F401  # numba learns of them
from tapeflow.engine.compile_watch import notice_compiler
from tapeflow.engine.fingerprint import fingerprint

COMPILING = "numba:compile"  # the event of numba
OPTIONS: Any = {"nogil": True, "error_model": "numpy"}


def dispatcher_of(
    function: Callable[..., Any], *, cached: bool, checked: bool = False
) -> tuple[Callable[..., Any], bool]:
    """Return numba's dispatcher of a kernel, which compiles it, and whether its code is cached."""
    listen()
    if checked:
        setattr(config, "BOUNDSCHECK", 1)  # noqa: B010  # of inlined functions too
    if cached and not checked:
        try:
            dispatcher = njit(cache=True, **OPTIONS)(function)
            use_fingerprint(dispatcher, function)
            return dispatcher, True
        except RuntimeError:  # numba: "no locator available", no folder can be written
            pass
    return njit(**OPTIONS)(function), False


def use_fingerprint(dispatcher: Any, function: Callable[..., Any]) -> None:
    """Let code in the cache count while all files that a kernel calls are the same.

    numba compares the kernel's own file only; so it does still for a kernel without a fingerprint.
    """
    with suppress(TypeError):
        dispatcher._cache._cache_file._source_stamp = fingerprint(function)


def register_called(functions: list[tuple[Callable[..., Any], bool]]) -> None:
    """Tell numba of functions that kernels call, and whether they are inlined; empties the list."""
    while functions:
        function, is_inlined = functions.pop()
        register_jitable(forceinline=is_inlined, error_model="numpy")(function)


def cache_folder() -> Path | None:
    """Return the folder where numba caches the machine code of this file; None: in memory only."""
    dispatcher, is_cached = dispatcher_of(cache_folder, cached=True)
    return Path(dispatcher.stats.cache_path) if is_cached else None  # type: ignore[attr-defined]


@cache
def listen() -> None:
    """Listen to numba's compiler from now on."""

    class Listener(event.Listener):
        def on_start(self, event: Any) -> None:
            notice_compiler(1)

        def on_end(self, event: Any) -> None:
            notice_compiler(-1)

    event.register(COMPILING, Listener())  # type: ignore[no-untyped-call]
