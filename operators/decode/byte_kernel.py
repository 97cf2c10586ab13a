"""Sixteen bytes of text classified at once, and digits of a word: for template_values.py.

"price":"61837.63000000",          digit_bits  0111110111111110
p                         stop_bits   0000000000000010..
"""

# As in kernel.py:
# mypy: disable-error-code="untyped-decorator,no-untyped-def,no-any-return"
# mypy: disable-error-code="call-arg,arg-type,var-annotated"

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

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
    zeros_below,
)  # fmt: skip

BLOCK = 16  # bytes


@intrinsic
def digit_bits(context, address):
    """Return which of the sixteen bytes at an address are digits, the first as the lowest bit."""

    def generate(context, builder, signature, arguments):
        block = ir.VectorType(ir.IntType(8), 16)
        pointer = builder.inttoptr(arguments[0], block.as_pointer())
        value = builder.sub(builder.load(pointer, align=1), ir.Constant(block, [0x30] * 16))
        found = builder.icmp_unsigned("<", value, ir.Constant(block, [10] * 16))
        return builder.zext(builder.bitcast(found, ir.IntType(16)), ir.IntType(64))

    return types.uint64(types.int64), generate


@intrinsic
def stop_bits(context, address):
    """Return at which of the sixteen bytes at an address `string_end` would stop."""

    def generate(context, builder, signature, arguments):
        block = ir.VectorType(ir.IntType(8), 16)
        pointer = builder.inttoptr(arguments[0], block.as_pointer())
        text = builder.load(pointer, align=1)
        quote, slash, space = (ir.Constant(block, [each] * 16) for each in (0x22, 0x5C, 0x20))
        found = builder.icmp_signed("<", text, space)  # control, and not ASCII: it is below zero
        for each in (quote, slash):
            found = builder.or_(found, builder.icmp_unsigned("==", text, each))
        return builder.zext(builder.bitcast(found, ir.IntType(16)), ir.IntType(64))

    return types.uint64(types.int64), generate


@njit(forceinline=True)
def text_end(p):
    """Do what `string_end` does."""
    while True:
        found = stop_bits(p)
        if found != U0:
            return p + np.int64(zeros_below(found))
        p += BLOCK


@njit(forceinline=True)
def other_bytes(w):
    """Return the highest bit of every byte of a word that is no digit."""
    d = w ^ ZEROS
    return ((d + U76) | d) & HIGHS


@njit(forceinline=True)
def number_of(w):
    """Return the number of eight digits of a word; zero bytes before them count as zeros."""
    w &= LOW4
    w = ((w * TENS) >> U8) & TENS_MASK
    w = ((w * HUNDREDS) >> U16) & HUNDREDS_MASK
    return np.int64((w * TEN_THOUSANDS) >> U32)


@njit(forceinline=True)
def first_digits(w, count):
    """Return the number of the first `count` digits of a word, 1 to 8."""
    return number_of(w << U((BLOCK // 2 - count) * 8))
