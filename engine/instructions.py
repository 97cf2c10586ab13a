"""Instructions of the machine as functions of a kernel, an intrinsic of numba each.

Importing this module imports numba.
"""

# numba's decorators take functions of another signature than they give:
# mypy: disable-error-code="call-arg,no-untyped-def,no-untyped-call"

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

BYTE, WORD = ir.IntType(8), ir.IntType(64)


@intrinsic
def load_word(_: Any, address: Any) -> Any:
    """Load eight bytes."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = builder.inttoptr(arguments[0], WORD.as_pointer())
        return builder.load(pointer, align=1)

    return types.uint64(types.int64), generate


@intrinsic
def load_byte(_: Any, address: Any) -> Any:
    """Load one byte."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = builder.inttoptr(arguments[0], BYTE.as_pointer())
        return builder.zext(builder.load(pointer), WORD)

    return types.int64(types.int64), generate


@intrinsic
def load_half(_: Any, address: Any) -> Any:
    """Load four bytes, signed."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = builder.inttoptr(arguments[0], ir.IntType(32).as_pointer())
        return builder.sext(builder.load(pointer, align=1), WORD)

    return types.int64(types.int64), generate


@intrinsic
def store_word(_: Any, address: Any, value: Any) -> Any:
    """Store eight bytes."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = builder.inttoptr(arguments[0], WORD.as_pointer())
        builder.store(arguments[1], pointer, align=8)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), generate


@intrinsic
def cast_float(_: Any, value: Any) -> Any:
    """Take the bits of a float64."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], WORD)

    return types.int64(types.float64), generate


@intrinsic
def count_zeros(_: Any, word: Any) -> Any:
    """Count the zero bits at the low end."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 0))

    return types.uint64(types.uint64), generate


@intrinsic
def copy_memory(_: Any, to: Any, source: Any, size: Any) -> Any:
    """Copy bytes."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        to, source = (builder.inttoptr(each, BYTE.as_pointer()) for each in arguments[:2])
        cgutils.raw_memcpy(builder, to, source, arguments[2], 1)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), generate


@intrinsic
def call_address(_: Any, function: Any, arguments: Any) -> Any:
    """Call a function of C."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        values = cgutils.unpack_tuple(builder, arguments[1], len(signature.args[1]))
        kind = ir.FunctionType(WORD, [WORD] * len(values))
        return builder.call(builder.inttoptr(arguments[0], kind.as_pointer()), values)

    return types.int64(types.int64, arguments), generate
