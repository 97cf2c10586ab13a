"""Texts and digits in blocks of bytes: for template_values.py."""

# As in kernel.py:
# mypy: disable-error-code="no-untyped-def,no-untyped-call,return-value,arg-type"

import numpy as np

from tapeflow.engine.compiled import inlined
from tapeflow.engine.memory import stop_bits, zeros_below
from tapeflow.operators.decode.kernel import (
    HIGHS,
    HUNDREDS,
    HUNDREDS_MASK,
    LOW4,
    TEN_THOUSANDS,
    TENS,
    TENS_MASK,
    U0,
    U8,
    U16,
    U32,
    U76,
    ZEROS,
    U,
)  # fmt: skip

BLOCK = 16  # bytes


@inlined
def text_end(p):
    """Find the end of plain text, as `string_end` does, but sixteen bytes at a time."""
    while True:
        found = stop_bits(p)
        if found != U0:
            return p + np.int64(zeros_below(found))
        p += BLOCK


@inlined
def other_bytes(w):
    """Set the highest bit of every byte of a word that is no digit, and no other bit."""
    d = w ^ ZEROS
    return ((d + U76) | d) & HIGHS


@inlined
def number_of(w):
    """Return the number of eight digits of a word; zero bytes before them count as zeros."""
    w &= LOW4
    w = ((w * TENS) >> U8) & TENS_MASK
    w = ((w * HUNDREDS) >> U16) & HUNDREDS_MASK
    return np.int64((w * TEN_THOUSANDS) >> U32)


@inlined
def first_digits(w, count):
    """Return the number of the first `count` digits of a word, 1 to 8."""
    return number_of(w << U((BLOCK // 2 - count) * 8))
