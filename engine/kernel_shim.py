"""The function of numbers around a kernel: array objects become arrays, results are stored.

    shim(ndarray type, address of an array object, number, .., address of the results) ─▶ 0
      array object ─▶ of its type? ─▶ address, shape ─▶ array ─┐
                      no: return its number       numbers ─────┴─▶ kernel ─▶ results, stored

Importing this module imports numba.
"""

# What of numba is called here has no types:
# mypy: disable-error-code="no-untyped-call,untyped-decorator"

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic, register_jitable
from numba.np.arrayobj import np_cfarray
from numba.np.numpy_support import from_dtype

from tapeflow.engine import kernel_library as library
from tapeflow.engine import memory
from tapeflow.engine.kernel_types import Array, Kind, Signature, signature_of

SWAPPED = ">" if sys.byteorder == "little" else "<"  # byte order of a dtype, after kind and type


@register_jitable
def word(address: int) -> Any:
    """Load eight bytes at an address as a signed integer."""
    return np.int64(memory.load(address))


def shim_of(kernel: Any, signature: Signature) -> Callable[..., Any]:
    """Return a function of numbers that checks its array objects and calls the kernel.

    It returns 0, or the number of the first argument that is not of its type, from 1.
    """
    scope: dict[str, Any] = {"kernel": kernel, "word": word, "half": memory.half}
    scope |= {"store": memory.store, "bits": memory.bits_of}
    names: list[str] = ["ndarray"]
    lines: list[str] = []

    def unpack(kind: Kind) -> str:
        if isinstance(kind, tuple):
            return f"({', '.join(unpack(each) for each in kind)},)"
        name = f"a{len(names)}"
        names.append(name)
        if not isinstance(kind, Array):
            return f"({name} != 0)" if kind is bool else name
        number = len(names) - 1
        lines.append(f"    if not ({check_of(name, kind)}): return {number}")
        scope[f"view{number}"] = viewer(kind)
        shape = ", ".join(
            f"word(word({name} + {library.SHAPE_AT}) + {8 * each})"
            for each in range(kind.dimensions)
        )
        lines.append(f"    b{number} = view{number}(word({name} + {library.DATA_AT}), ({shape},))")
        return f"b{number}"

    call = ", ".join(unpack(kind) for kind in signature.parameters.values())
    lines.append(f"    result = kernel({call})")
    for number, kind in enumerate(signature.result):
        value = f"result[{number}]" if signature.is_tuple else "result"
        stored = f"bits({value})" if kind is float else value
        lines.append(f"    store(out + {8 * number}, {stored})")
    names += ["out"] if signature.result else []
    source = f"def shim({', '.join(names)}):\n" + "\n".join([*lines, "    return 0"])
    exec(source, scope)
    return scope["shim"]  # type: ignore[no-any-return]  # a function, as the source says


def check_of(name: str, kind: Array) -> str:
    """Return the source of a test that an address is of an array object of this type."""
    flags = library.CONTIGUOUS | library.ALIGNED | (library.WRITABLE if kind.is_written else 0)
    dtype = f"word({name} + {library.DTYPE_AT})"
    return " and ".join(
        (
            f"word({name} + {library.TYPE_AT}) == ndarray",
            f"half({name} + {library.DIMENSIONS_AT}) == {kind.dimensions}",
            f"half({name} + {library.FLAGS_AT}) & {flags} == {flags}",
            f"word({dtype} + {library.KIND_AT}) & 255 == {ord(kind.dtype.kind)}",
            f"word({dtype} + {library.KIND_AT}) >> 16 & 255 != {ord(SWAPPED)}",
            f"word({dtype} + {library.ITEM_BYTES_AT}) == {kind.dtype.itemsize}",
        )
    )


def array_type(kind: Array) -> Any:
    """Return numba's type of an array."""
    return types.Array(from_dtype(kind.dtype), kind.dimensions, "C", readonly=not kind.is_written)


def viewer(kind: Array) -> Any:
    """Return a function of an address and a shape that gives the array of this type there."""
    array = array_type(kind)

    @intrinsic
    def view(_: Any, address: Any, shape: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            pointer = builder.inttoptr(arguments[0], ir.IntType(8).as_pointer())
            inner = array(types.voidptr, signature.args[1])
            return np_cfarray(context, builder, inner, (pointer, arguments[1]))

        return array(address, shape), generate

    return view


def argument_types(kernel: Callable[..., Any]) -> tuple[Any, ...]:
    """Return numba's types of a kernel's arguments."""
    signature = signature_of(kernel)
    assert signature is not None
    return tuple(numba_type(each) for each in signature.parameters.values())


def numba_type(kind: Kind) -> Any:
    """Return numba's type of an argument."""
    if isinstance(kind, Array):
        return array_type(kind)
    if isinstance(kind, tuple):
        return types.Tuple([numba_type(each) for each in kind])
    return {int: types.int64, float: types.float64, bool: types.boolean}[kind]
