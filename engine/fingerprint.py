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

from tapeflow.engine import memory
from tapeflow.engine.kernel_types import signature_of

VERSION = 2  # of how kernels are called: engine/kernel_library.py, engine/kernel_code.py


def fingerprint(function: Callable[..., Any]) -> str:
    """Return 32 hex digits that change with what a kernel computes."""
    functions: dict[FunctionType, None] = {}
    numbers = sorted(set(collect(function, functions)))
    modules = {each.__module__ for each in functions} | {memory.__name__}
    parts = [str(VERSION), str(signature_of(function)), *numbers, *map(hash_of, sorted(modules))]
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
        elif not isinstance(value, ModuleType | type | None):
            raise TypeError(f"{function.__qualname__} refers to {name}, a {type(value).__name__}")


@cache
def hash_of(module: str) -> str:
    """Return a hash of a module's file."""
    path = sys.modules[module].__file__
    return blake2b(Path(path or "").read_bytes(), digest_size=16).hexdigest()


@cache
def names_of(code: CodeType) -> tuple[str, ...]:
    """Return the names that a code object, and those within, may look up in the module."""
    inner = [each for each in code.co_consts if isinstance(each, CodeType)]
    return (*code.co_names, *(name for each in inner for name in names_of(each)))
