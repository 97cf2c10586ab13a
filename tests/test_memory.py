"""What kernels read of memory is what the same functions read as plain Python."""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapeflow.engine.compiled import HAS_NUMBA
from tapeflow.engine.memory import (
    bits_of,
    byte,
    digit_bits,
    find_byte,
    load,
    stop_bits,
    zeros_below,
)
from tapeflow.schemas.columns import Bytes

ODD = b'09/: "\\\x00\x1f \x7f\x80\xff'


def read_memory(data: Bytes, at: int) -> tuple[int, int, int, int, int, int]:
    p = data.ctypes.data + at
    found = find_byte(p, 0x39, 16)
    w = load(p)
    return (  # type: ignore[return-value]  # numbers of numpy
        np.int64(w), byte(p), np.int64(digit_bits(p)), np.int64(stop_bits(p)),
        found - p if found != 0 else -1, np.int64(zeros_below(w)) if w != np.uint64(0) else -1,
    )  # fmt: skip


def read_bits(value: float) -> int:
    return bits_of(value)


@cache
def kernel_of(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function that is no kernel of the product."""
    from tapeflow.engine.jit import dispatcher_of  # noqa: PLC0415  # it imports numba

    return dispatcher_of(function, cached=False)[0]


@pytest.mark.skipif(not HAS_NUMBA, reason="numba is not installed")
@settings(deadline=None)
@given(st.binary(min_size=17, max_size=40) | st.text(ODD.decode("latin-1"), min_size=17).map(
    lambda text: text.encode("latin-1")))  # fmt: skip
def test_a_kernel_reads_memory_as_plain_python_does(text):
    data = np.frombuffer(text, np.uint8)
    for at in range(len(text) - 16):
        expected = read_memory(data, at)
        assert kernel_of(read_memory)(data, at) == expected
        assert expected[2] == sum(
            (each in b"0123456789") << n for n, each in enumerate(text[at : at + 16])
        )


@pytest.mark.skipif(not HAS_NUMBA, reason="numba is not installed")
@settings(deadline=None)
@given(st.floats())
def test_a_kernel_takes_the_bits_of_a_float_as_plain_python_does(value):
    assert kernel_of(read_bits)(value) == read_bits(value)
