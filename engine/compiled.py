"""Kernels: loops over arrays in numba's subset of Python, compiled before anything runs.

    @compiled ──▶ the library     engine/kernels.so, made by `make setup` or with the wheel
              ──▶ numba's cache   machine code in a folder; made at the first call
              ──▶ numba           compiled in memory, again by each process
              ──▶ plain Python    the same function: slower, all works

A kernel takes the first of these that is there. `TAPEFLOW_KERNELS=library`, `cache`, `memory` or
`python` names one to begin with. All rungs give the same numbers, to the bit.

Rules for a kernel; kernel_code.py refuses one that allocates or raises:
- Its annotations say its types (kernel_types.py): C-contiguous arrays and numbers go in, nothing, a
  number or a tuple of numbers comes out. Without them it is compiled when it is first called.
- It allocates nothing: what it writes to is an argument.
- It raises nothing: what cannot be is a result. A division by zero gives 0, or NaN.
- What it calls is marked `@inlined`, or `@called`, which the compiler may inline or not. Named
  tuples cost nothing inside a kernel, but are never its arguments.
- In a loop an inlined function passes no array to another one: numba would count references, and
  the bars took four times as long. Functions that get addresses and numbers may.

It releases the GIL, so that workers run in parallel. An index beyond an array ends the process, or
changes other memory. `check_indices` has kernels check every index: slower, and compiled in memory.
"""

import os
from collections.abc import Callable
from functools import wraps
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar

from tapeflow.engine import kernel_library
from tapeflow.schemas.errors import UsageError

F = TypeVar("F", bound=Callable[..., Any])

RUNGS = LIBRARY, CACHE, MEMORY, PYTHON = "library", "cache", "memory", "python"
FIRST_RUNG = "TAPEFLOW_KERNELS"  # environment variable
HAS_NUMBA = find_spec("numba") is not None
ONE_COMPILER = Lock()  # of threads that make the first call of a kernel together, one compiles
_kernels: dict[Callable[..., Any], "Kernel"] = {}  # by their function
_checking: list[None] = []  # an item: kernels check their indices
# Functions that kernels call and numba does not know yet, and whether they are inlined.
called_functions: list[tuple[Callable[..., Any], bool]] = []
_by_numbers: list[Callable[..., Any]] = []


class Kernel:
    """A compiled function, made when it is first called."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.run: Callable[..., Any] | None = None
        self.rung = ""

    def make(self) -> None:
        """Make it, if it is not made yet: of several threads, one does."""
        with ONE_COMPILER:
            if self.run is None:
                self.run, self.rung = make_kernel(self.function)


def compiled(function: F) -> F:
    """Make a kernel of `function`."""
    kernel = Kernel(function)

    @wraps(function)
    def call(*arguments: Any, **named: Any) -> Any:
        if kernel.run is None:
            kernel.make()
        try:
            return kernel.run(*arguments, **named)  # type: ignore[misc]  # it is made
        except IndexError as error:
            _locate(function, error, *arguments, **named)
            raise

    _kernels[function] = kernel
    return call  # type: ignore[return-value]  # the same signature


def inlined(function: F) -> F:
    """Let kernels call `function`, whose code becomes part of theirs."""
    called_functions.append((function, True))
    return function


def called(function: F) -> F:
    """Let kernels call `function`; the compiler decides whether its code becomes part of theirs."""
    called_functions.append((function, False))
    return function


def by_numbers(function: F) -> F:
    """Say of a kernel that it reads and writes arrays by index only, a number or a row at a time.

    Written between `@compiled` and the function. As plain Python it then runs several times faster:
    it gets memoryviews of its arrays, and rows as dicts.
    """
    _by_numbers.append(function)
    return function


def check_indices() -> None:
    """Let kernels check their indices: a bad one raises IndexError, with its file and line.

    For the rest of this process. Call it before the first kernel.
    """
    _checking.append(None)


def is_checking() -> bool:
    """Return whether kernels check their indices."""
    return bool(_checking)


def make_kernels() -> None:
    """Make all kernels; one that numba compiles is compiled when it is first called."""
    for kernel in _kernels.values():
        if kernel.run is None:
            kernel.make()


def declared_kernels() -> list[Callable[..., Any]]:
    """Return the functions marked `@compiled` in the modules imported so far."""
    return list(_kernels)


def rungs() -> dict[str, str]:
    """Return the rung of each kernel of the modules imported so far, by its name; makes them."""
    make_kernels()
    return {kernel_library.name_of(kernel.function): kernel.rung for kernel in _kernels.values()}


def is_compiled(kernel: Callable[..., Any]) -> bool:
    """Return whether a kernel runs as machine code; makes it."""
    found = _kernels[getattr(kernel, "__wrapped__", kernel)]
    found.make()
    return found.rung != PYTHON


def first_rung() -> str:
    """Return the first rung that kernels try. Raises UsageError for a name that is none."""
    name = os.environ.get(FIRST_RUNG, LIBRARY)
    if name not in RUNGS:
        raise UsageError(f"{FIRST_RUNG}={name}: not one of {', '.join(RUNGS)}")
    return name


def make_kernel(function: Callable[..., Any]) -> tuple[Callable[..., Any], str]:
    """Return what runs a kernel, and its rung."""
    first = first_rung()
    if first == LIBRARY and not _checking:
        found = kernel_library.find(function)
        if found is not None:
            return found, LIBRARY
    if first == PYTHON or not HAS_NUMBA:
        from tapeflow.engine.plain import with_views  # noqa: PLC0415  # late: rarely needed

        return (with_views(function) if function in _by_numbers else function), PYTHON
    from tapeflow.engine import jit  # noqa: PLC0415  # late: numba takes its time

    jit.register_called(called_functions)
    dispatcher, is_cached = jit.dispatcher_of(
        function, cached=first != MEMORY, checked=bool(_checking)
    )
    return dispatcher, CACHE if is_cached else MEMORY


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
