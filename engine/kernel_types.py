"""The types of a kernel's arguments, from its annotations: what it is compiled for ahead of time.

    def fold(table: Written[Ints2], width: int, columns: tuple[Ints, Floats]) -> int
             Array(int64, 2, True)      int     (Array(int64, 1), Array(float64, 1))

Arrays are C-contiguous, and only read where the annotation does not say `Written`.
`Annotated[Rows, BAR]` names the dtype of records, `Annotated[Ints, 2]` a number of dimensions other
than one. A kernel of which an annotation says less than this is compiled when it is first called,
for what it is given.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple, TypeAlias, get_args, get_origin

import numpy as np

from tapeflow.schemas.columns import DTYPES, WRITTEN


class KernelError(Exception):
    """A kernel breaks a rule."""


@dataclass(frozen=True, slots=True)
class Array:
    """A C-contiguous array."""

    dtype: np.dtype[Any]
    dimensions: int = 1
    is_written: bool = False

    def __str__(self) -> str:
        name = self.dtype.name if self.dtype.names is None else f"records of {self.dtype.names}"
        written = ", writable" if self.is_written else ""
        return f"a C-contiguous array of {name}, {self.dimensions} dimension(s){written}"


class Signature(NamedTuple):
    """What a kernel takes and returns; a result is None, a number, or a tuple of numbers."""

    parameters: dict[str, "Kind"]
    result: tuple[type, ...]
    is_tuple: bool


Kind: TypeAlias = Array | type | tuple["Kind", ...]
NUMBERS = (int, float, bool)


def signature_of(function: Callable[..., Any]) -> Signature | None:
    """Return the types of a kernel; None where its annotations do not say them all."""
    hints = dict(inspect.get_annotations(function))
    if {*inspect.signature(function).parameters, "return"} != set(hints):
        return None
    returned = hints.pop("return")
    kinds = {name: kind_of(hint) for name, hint in hints.items()}
    result = () if returned is None else kind_of(returned)
    is_tuple = isinstance(result, tuple) and returned is not None
    numbers = result if isinstance(result, tuple) else (result,)
    if None in kinds.values() or any(each not in NUMBERS for each in numbers):
        return None
    return Signature(kinds, numbers, is_tuple)  # type: ignore[arg-type]  # None is none of them


def kind_of(hint: Any) -> Kind | None:
    """Return what an annotation says; None where it is none of those above."""
    if get_origin(hint) is Annotated:
        array, *marks = get_args(hint)
        dtype = next((each for each in marks if isinstance(each, np.dtype)), DTYPES.get(array))
        dimensions = next((each for each in marks if isinstance(each, int)), 1)
        return None if dtype is None else Array(dtype, dimensions, WRITTEN in marks)
    if get_origin(hint) is tuple:
        kinds = tuple(kind_of(each) for each in get_args(hint))
        return None if None in kinds else kinds  # type: ignore[return-value]  # None is none
    if hint in NUMBERS:
        return hint  # type: ignore[no-any-return]  # a type
    dtype = DTYPES.get(hint) if not isinstance(hint, str) else None
    return None if dtype is None else Array(dtype)


def flat(kind: Kind) -> list[Array | type]:
    """Return the arrays and numbers of a kind, those of its tuples one after the other."""
    if not isinstance(kind, tuple):
        return [kind]
    return [each for inner in kind for each in flat(inner)]
