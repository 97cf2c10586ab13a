"""Compile, for numba, the functions of memory.py: an instruction each or a few, and memchr.

Importing this module imports numba.
"""

# numba's decorators take functions of another signature than they give:
# mypy: disable-error-code="call-arg,no-untyped-def,no-untyped-call"

from numba.core import types
from numba.extending import overload

from tapeflow.engine import memory
from tapeflow.engine.instructions import (
    call_address,
    cast_float,
    copy_memory,
    count_zeros,
    load_byte,
    load_half,
    load_word,
    store_word,
)

memchr = types.ExternalFunction("memchr", types.intp(types.intp, types.int32, types.intp))

# numba accepts no annotations here, nor in the functions that are returned.


@overload(memory.load)
def of_load(address):
    """Return what numba compiles for a call of `load`; each function below does so for its own."""
    return lambda address: load_word(address)  # noqa: PLW0108  # numba reads its parameters


@overload(memory.byte)
def of_byte(address):
    return lambda address: load_byte(address)  # noqa: PLW0108


@overload(memory.store)
def of_store(address, value):
    return lambda address, value: store_word(address, value)  # noqa: PLW0108


@overload(memory.bits_of)
def of_bits_of(value):
    return lambda value: cast_float(value)  # noqa: PLW0108


@overload(memory.zeros_below)
def of_zeros_below(word):
    return lambda word: count_zeros(word)  # noqa: PLW0108


@overload(memory.find_byte)
def of_find_byte(address, wanted, size):
    return lambda address, wanted, size: memchr(address, wanted, size)  # noqa: PLW0108


@overload(memory.half)
def of_half(address):
    return lambda address: load_half(address)  # noqa: PLW0108


@overload(memory.copy_bytes)
def of_copy_bytes(to, source, size):
    return lambda to, source, size: copy_memory(to, source, size)  # noqa: PLW0108


@overload(memory.call)
def of_call(function, arguments):
    return lambda function, arguments: call_address(function, arguments)  # noqa: PLW0108
