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

An index beyond an array ends the process, or changes other memory. `check_indices` has kernels
check every index: slower, and compiled in memory, for the cached code is without checks.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, wraps
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
COMPILING = "numba:compile"  # the event of numba
ONE_COMPILER = Lock()  # of threads that make the first call of a kernel together, one compiles
_makes: list[Callable[[], None]] = []
_inlined: list[Callable[..., Any]] = []  # not registered with numba yet
_by_numbers: list[Callable[..., Any]] = []
_checking: list[None] = []  # an item: kernels check their indices
_watchers: list[Callable[[bool], None]] = []  # of the compiler
_depth = [0]  # kernels that are being compiled now, one for the other


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
        try:
            return kernels[0](*arguments, **named)
        except IndexError as error:
            _locate(function, error, *arguments, **named)
            raise

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


def by_numbers(function: F) -> F:
    """Say of a kernel that it reads and writes arrays by index only, a number or a row at a time.

    Written between `@compiled` and the function. Without numba it then runs several times faster:
    it gets memoryviews of its arrays, and rows as dicts.
    """
    _by_numbers.append(function)
    return function


def check_indices() -> None:
    """Let kernels check their indices: a bad one raises IndexError, with its file and line.

    For the rest of this process. Call it before the first kernel.
    """
    _checking.append(None)


def _locate(function: Callable[..., Any], error: IndexError, *arguments: Any, **named: Any) -> None:
    """Name the kernel on the error and, by running it as plain Python, the line that fails."""
    code = function.__code__
    try:
        function(*arguments, **named)
    except IndexError as found:
        error.args = found.args
        trace = found.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        line = code.co_firstlineno if trace is None else trace.tb_lineno
    else:
        line = code.co_firstlineno
    error.add_note(f"in kernel {function.__name__}, {Path(code.co_filename).name} line {line}")


@contextmanager
def watching_compiler(notice: Callable[[bool], None]) -> Iterator[None]:
    """Call `notice` with True when kernels begin to be compiled, with False when they are.

    What is read from the cache is not compiled.
    """
    _watchers.append(notice)
    try:
        yield
    finally:
        _watchers.remove(notice)


def _notice(event: Any) -> None:
    """Tell the watchers of the first kernel that begins, and of the last one that ends.

    A kernel compiles those that it calls.
    """
    before = _depth[0]
    _depth[0] += 1 if event.is_start else -1
    if bool(before) != bool(_depth[0]):
        for notice in _watchers:
            notice(bool(_depth[0]))


@cache
def _listen() -> None:
    """Listen to numba's compiler from now on."""
    from numba.core import event  # noqa: PLC0415  # late: see above

    class Listener(event.Listener):
        def on_start(self, event: Any) -> None:
            _notice(event)

        def on_end(self, event: Any) -> None:
            _notice(event)

    event.register(COMPILING, Listener())  # type: ignore[no-untyped-call]


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
        from tapeflow.engine.plain import with_views  # noqa: PLC0415  # late: it imports numpy

        return with_views(function) if function in _by_numbers else function
    from numba import config, njit  # noqa: PLC0415  # late: see above
    from numba.extending import register_jitable  # noqa: PLC0415

    _listen()
    while _inlined:
        register_jitable(forceinline=True)(_inlined.pop())
    if _checking:
        setattr(config, "BOUNDSCHECK", 1)  # noqa: B010  # of inlined functions too
        return njit(nogil=True)(function)
    try:
        return njit(nogil=True, cache=True)(function)
    except RuntimeError:  # numba: "no locator available", no folder can be written
        return njit(nogil=True)(function)
