"""Kernels compiled ahead of time: one shared library beside this file, called without numba.

    fold(table, close, width)
      └─▶ code = library.fold(ndarray type, table, close, width)
                   reads address, dimensions and type from the array objects, and checks them

It is called through ctypes, which releases the GIL. The library says what it was built from; a
kernel whose fingerprint differs is not taken from it. How an array object looks in memory is
checked once, on one that is known: if numpy should change it, no kernel is taken.
"""

import ctypes
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from tapeflow.engine.fingerprint import fingerprint
from tapeflow.engine.kernel_types import Array, Kind, Signature, flat, signature_of

PATH = Path(__file__).with_name("kernels.so")
CONTENTS = "tapeflow_kernels"  # the symbol that says what the library holds
PREFIX = "tapeflow_"
MISSING = "not built"
# Of an array object (PyArrayObject), in bytes; and of its dtype (PyArray_Descr), numpy 2.
TYPE_AT, DATA_AT, DIMENSIONS_AT, SHAPE_AT, DTYPE_AT, FLAGS_AT = 8, 16, 24, 32, 56, 64
KIND_AT, ITEM_BYTES_AT = 24, 40
CONTIGUOUS, ALIGNED, WRITABLE = 1, 0x100, 0x400  # flags
NDARRAY = id(np.ndarray)
# How a number is passed to C; any other argument is, as an object, by its address.
PASSED: dict[Any, Any] = {int: ctypes.c_int64, bool: ctypes.c_int64, float: ctypes.c_double}


def name_of(function: Callable[..., Any]) -> str:
    """Return the name by which the library knows a kernel."""
    return f"{function.__module__}.{function.__qualname__}"


def find(function: Callable[..., Any]) -> Callable[..., Any] | None:
    """Return a kernel of the library; None if it holds none of these sources."""
    library, contents, _ = open_library()
    signature = signature_of(function)
    entry = contents.get(name_of(function))
    if library is None or signature is None or entry is None:
        return None
    if entry["fingerprint"] != fingerprint(function):
        return None
    return bind(getattr(library, entry["symbol"]), function.__name__, signature)


def why_not() -> str:
    """Return why no kernel is taken from the library; "" if some are."""
    return open_library()[2]


@cache
def open_library() -> tuple[ctypes.CDLL | None, dict[str, dict[str, str]], str]:
    """Return the library, what it holds by the kernel's name, and why it is not used."""
    if not PATH.exists():
        return None, {}, MISSING
    if not knows_arrays():
        return None, {}, f"not used: arrays of numpy {np.__version__} are not laid out as known"
    try:
        library = ctypes.CDLL(str(PATH))
        text = ctypes.c_char_p(ctypes.addressof(ctypes.c_char.in_dll(library, CONTENTS))).value
    except (OSError, ValueError) as error:  # of another platform, or no library of ours
        return None, {}, f"cannot be loaded: {error}"
    return library, json.loads(text or b"{}"), ""


def knows_arrays() -> bool:
    """Return whether array objects look in memory as the library reads them."""
    probe = np.zeros((3, 5), np.float64)
    frozen = probe.view()
    frozen.flags.writeable = False
    at, dtype = id(probe), id(probe.dtype)
    flags = CONTIGUOUS | ALIGNED | WRITABLE

    def read(kind: Any, address: int) -> int:
        return int(kind.from_address(address).value)

    return (
        read(ctypes.c_int64, at + TYPE_AT) == NDARRAY
        and read(ctypes.c_int64, at + DATA_AT) == probe.ctypes.data
        and read(ctypes.c_int32, at + DIMENSIONS_AT) == probe.ndim
        and [read(ctypes.c_int64, read(ctypes.c_int64, at + SHAPE_AT) + n * 8) for n in (0, 1)]
        == [3, 5]
        and read(ctypes.c_int64, at + DTYPE_AT) == dtype
        and read(ctypes.c_int32, at + FLAGS_AT) & flags == flags
        and read(ctypes.c_int32, id(frozen) + FLAGS_AT) & flags == CONTIGUOUS | ALIGNED
        and read(ctypes.c_int32, id(probe.T) + FLAGS_AT) & CONTIGUOUS == 0
        and read(ctypes.c_int8, dtype + KIND_AT) == ord("f")
        and read(ctypes.c_int64, dtype + ITEM_BYTES_AT) == probe.itemsize
    )


def bind(symbol: Any, name: str, signature: Signature) -> Callable[..., Any]:
    """Return a Python function of the kernel's own parameters that calls it."""
    inputs = [each for kind in signature.parameters.values() for each in flat(kind)]
    passed = [PASSED.get(each, ctypes.py_object) for each in inputs]
    symbol.argtypes = [ctypes.c_int64, *passed, *([ctypes.c_void_p] if signature.result else [])]
    symbol.restype = ctypes.c_int64
    kinds = (ctypes.c_double if each is float else ctypes.c_int64 for each in signature.result)
    fields = [(f"f{number}", kind) for number, kind in enumerate(kinds)]
    result = type("Result", (ctypes.Structure,), {"_fields_": fields})
    dtypes = {f"d{n}": each.dtype for n, each in enumerate(inputs) if isinstance(each, Array)}
    refuse = refusal(name, inputs)
    scope = {"raw": symbol, "byref": ctypes.byref, "Result": result, "refuse": refuse, **dtypes}
    exec(source_of(signature), scope)
    return scope["call"]  # type: ignore[no-any-return]  # a function, as the source says


def source_of(signature: Signature) -> str:
    """Return the source of a function `call` that unpacks its arguments for the library."""
    lines = [f"def call({', '.join(signature.parameters)}):"]
    terms: list[tuple[str, Array | type]] = []

    def unpack(name: str, kind: Kind) -> None:
        if not isinstance(kind, tuple):
            terms.append((name, kind))
            return
        inner = [f"{name}_{number}" for number in range(len(kind))]
        lines.append(f"    {', '.join(inner)}, = {name}")
        for each, of_kind in zip(inner, kind, strict=True):
            unpack(each, of_kind)

    for name, kind in signature.parameters.items():
        unpack(name, kind)
    for number, (name, kind) in enumerate(terms):
        if isinstance(kind, Array) and kind.dtype.names is not None:  # the library knows their size
            test = f"{name}.dtype is not d{number} and {name}.dtype != d{number}"
            lines.append(f"    if {test}: refuse({number + 1}, {name})")
    passed = [name for name, _ in terms]
    if signature.result:
        lines.append("    result = Result()")
        passed.append("byref(result)")
    lines.append(f"    code = raw({', '.join([str(NDARRAY), *passed])})")
    lines.append(f"    if code: refuse(code, {', '.join(name for name, _ in terms)})")
    values = [
        f"result.f{number} != 0" if kind is bool else f"result.f{number}"
        for number, kind in enumerate(signature.result)
    ]
    if values:
        lines.append(f"    return {', '.join(values)}{',' if signature.is_tuple else ''}")
    return "\n".join(lines)


def refusal(name: str, inputs: list[Array | type]) -> Callable[..., None]:
    """Return what raises where an argument is not of its type."""

    def refuse(code: int, *arguments: Any) -> None:
        found = arguments[code - 1] if len(arguments) >= code else arguments[0]
        shown = type(found).__name__
        if isinstance(found, np.ndarray):
            layout = "" if found.flags.c_contiguous else ", not contiguous"
            written = "" if found.flags.writeable else ", read-only"
            shown = f"{found.dtype}, {found.ndim} dimension(s){layout}{written}"
        raise TypeError(f"kernel {name}: argument {code} is {shown}, not {inputs[code - 1]}")

    return refuse
