"""Compile, for numba, the functions of memory.py that look at sixteen bytes at once.

Importing this module imports numba.
"""

# numba's decorators take functions of another signature than they give:
# mypy: disable-error-code="call-arg,no-untyped-def"

from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic, overload

from tapeflow.engine import memory

WORD, BLOCK = ir.IntType(64), ir.VectorType(ir.IntType(8), 16)


@intrinsic
def find_digits(_: Any, address: Any) -> Any:
    """Compare sixteen bytes with the digits."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        text = load_block(builder, arguments[0])
        found = builder.icmp_unsigned("<", builder.sub(text, all_bytes(0x30)), all_bytes(10))
        return bits_of_block(builder, found)

    return types.uint64(types.int64), generate


@intrinsic
def find_stops(_: Any, address: Any) -> Any:
    """Compare sixteen bytes with those that end plain text; not ASCII is negative."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        text = load_block(builder, arguments[0])
        found = builder.icmp_signed("<", text, all_bytes(0x20))
        for each in b'"\\':
            found = builder.or_(found, builder.icmp_unsigned("==", text, all_bytes(each)))
        return bits_of_block(builder, found)

    return types.uint64(types.int64), generate


def all_bytes(value: int) -> Any:
    """Return a block of sixteen times this byte."""
    return ir.Constant(BLOCK, [value] * 16)


def load_block(builder: Any, address: Any) -> Any:
    """Load sixteen bytes."""
    return builder.load(builder.inttoptr(address, BLOCK.as_pointer()), align=1)


def bits_of_block(builder: Any, found: Any) -> Any:
    """Take the results of sixteen comparisons as bits."""
    return builder.zext(builder.bitcast(found, ir.IntType(16)), WORD)


# numba accepts no annotations here, nor in the functions that are returned.


@overload(memory.digit_bits)
def of_digit_bits(address):
    """Return what numba compiles for a call of `digit_bits`; the other function does so too."""
    return lambda address: find_digits(address)  # noqa: PLW0108


@overload(memory.stop_bits)
def of_stop_bits(address):
    return lambda address: find_stops(address)  # noqa: PLW0108
