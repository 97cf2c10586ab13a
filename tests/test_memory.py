"""What kernels read of memory is what the same functions read as plain Python."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapeflow.engine.compiled import HAS_NUMBA, compiled
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


@compiled
def read_memory(data: Bytes, at: int) -> tuple[int, int, int, int, int, int]:
    p = data.ctypes.data + at
    found = find_byte(p, 0x39, 16)
    w = load(p)
    return (  # type: ignore[return-value]  # numbers of numpy
        np.int64(w), byte(p), np.int64(digit_bits(p)), np.int64(stop_bits(p)),
        found - p if found != 0 else -1, np.int64(zeros_below(w)) if w != np.uint64(0) else -1,
    )  # fmt: skip


@compiled
def read_bits(value: float) -> int:
    return bits_of(value)


of_memory: Any = read_memory
of_float: Any = read_bits


@pytest.mark.skipif(not HAS_NUMBA, reason="numba is not installed")
@settings(deadline=None)
@given(st.binary(min_size=17, max_size=40) | st.text(ODD.decode("latin-1"), min_size=17).map(
    lambda text: text.encode("latin-1")))  # fmt: skip
def test_a_kernel_reads_memory_as_plain_python_does(text):
    data = np.frombuffer(text, np.uint8)
    for at in range(len(text) - 16):
        expected = of_memory.__wrapped__(data, at)
        assert of_memory(data, at) == expected
        assert expected[2] == sum(
            (each in b"0123456789") << n for n, each in enumerate(text[at : at + 16])
        )


@pytest.mark.skipif(not HAS_NUMBA, reason="numba is not installed")
@settings(deadline=None)
@given(st.floats())
def test_a_kernel_takes_the_bits_of_a_float_as_plain_python_does(value):
    assert of_float(value) == of_float.__wrapped__(value)
