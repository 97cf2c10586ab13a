"""Fingerprints of kernels: whether code compiled before is that of the sources as they are now.

files of the kernel and of what it calls ─┐
numbers it takes from other files        ─┼─▶ blake2b        no date and no path counts
types of its arguments                   ─┘
"""

import sys
from collections.abc import Callable, Iterator
from functools import cache
from hashlib import blake2b
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

import numpy as np

from tapeflow.engine.kernel_types import signature_of

VERSION = 2  # of how kernels are called: engine/kernel_library.py
COMPILERS = (  # files that make machine code of a kernel, and what stands in the library with it
    *("memory.py", "memory_code.py", "block_code.py", "instructions.py"),
    *("kernel_types.py", "kernel_code.py", "kernel_shim.py", "fatal_handler.py"),
)


def fingerprint(function: Callable[..., Any]) -> str:
    """Return 32 hex digits that change with what a kernel computes."""
    functions: dict[FunctionType, None] = {}
    numbers = sorted(set(collect(function, functions)))
    paths = {sys.modules[each.__module__].__file__ or "" for each in functions}
    paths |= {str(Path(__file__).with_name(name)) for name in COMPILERS}
    parts = [str(VERSION), str(signature_of(function)), *numbers, *sorted(map(hash_of, paths))]
    return blake2b("\n".join(parts).encode(), digest_size=16).hexdigest()


def collect(function: Any, functions: dict[FunctionType, None]) -> Iterator[str]:
    """Add a function and what it calls to `functions`; yield the other values it refers to."""
    function = getattr(function, "__wrapped__", function)
    if function in functions:
        return
    functions[function] = None
    for name in names_of(function.__code__):
        value = function.__globals__.get(name)
        if isinstance(getattr(value, "__wrapped__", value), FunctionType):
            yield from collect(value, functions)
        elif isinstance(value, np.ndarray | np.generic):
            yield f"{name} {value.dtype.str} {value.tobytes().hex()}"
        elif isinstance(value, int | float | str | tuple):
            yield f"{name} {value!r}"
        elif isinstance(value, ModuleType) and value.__name__.startswith("tapeflow."):
            yield f"{name} {hash_of(str(value.__file__))}"  # what of it is read is not seen here
        elif not isinstance(value, ModuleType | type | None):
            raise TypeError(f"{function.__qualname__} refers to {name}, a {type(value).__name__}")


@cache
def hash_of(path: str) -> str:
    """Return a hash of a file."""
    return blake2b(Path(path).read_bytes(), digest_size=16).hexdigest()


@cache
def names_of(code: CodeType) -> tuple[str, ...]:
    """Return the names that a code object, and those within, may look up in the module."""
    inner = [each for each in code.co_consts if isinstance(each, CodeType)]
    return (*code.co_names, *(name for each in inner for name in names_of(each)))
