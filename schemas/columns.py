"""Columns: arrays of equal length, in which ticks and bars travel.

class Quotes(Columns):     offset    1   1   2
offset: Ints           bid     9.9 9.8 9.9      one array a field, its dtype from the
bid: Floats                                     annotation
"""

from functools import cache
from typing import Annotated, Any, Self, TypeVar, get_type_hints

import numpy as np
import numpy.typing as npt
from msgspec import Struct
from msgspec.structs import astuple

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bytes = npt.NDArray[np.uint8]
Bools = npt.NDArray[np.bool_]
T = TypeVar("T")
WRITTEN = "written"
Written = Annotated[T, WRITTEN]  # a kernel's argument that it writes to, as in Written[Ints]
Ints2 = Annotated[Ints, 2]  # with its dimensions, where a kernel's types are declared
Ints3 = Annotated[Ints, 3]
Floats2 = Annotated[Floats, 2]
# numpy 2.4 and 2.5 build these annotations differently: a table works with both.
DTYPES: dict[Any, np.dtype[Any]] = {
    Ints: np.dtype(np.int64),
    Floats: np.dtype(np.float64),
    Bytes: np.dtype(np.uint8),
    Bools: np.dtype(np.bool_),
}

NARROW_ROWS = 64  # fewer are pickled as they are: their bytes cost less than the arithmetic


class Columns(Struct, frozen=True, eq=False):
    """Arrays of equal length; a subclass names them and defines what one row is."""

    def __len__(self) -> int:
        return len(getattr(self, self.__struct_fields__[0]))

    @classmethod
    def column_names(cls) -> tuple[str, ...]:
        """Return the names of the columns, in the order of their fields."""
        return cls.__struct_fields__

    @classmethod
    @cache
    def dtypes(cls) -> dict[str, np.dtype[Any]]:
        """Return the dtype of each column, from its annotation."""
        hints = get_type_hints(cls)
        return {name: DTYPES[hints[name]] for name in cls.column_names()}

    @classmethod
    @cache
    def empty(cls) -> Self:
        """Return columns without rows."""
        return cls(*(np.empty(0, dtype) for dtype in cls.dtypes().values()))

    @classmethod
    def concat(cls, parts: list[Self]) -> Self:
        """Return the rows of all parts, in their order."""
        if len(parts) == 1:
            return parts[0]
        if not parts:
            return cls.empty()
        return cls(
            *(np.concatenate(column) for column in zip(*map(cls.arrays, parts), strict=True))
        )

    def arrays(self) -> tuple[npt.NDArray[np.generic], ...]:
        """Return the columns in the order of their fields."""
        return astuple(self)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the columns in few bytes: between processes each byte costs nanoseconds."""
        packed = self.arrays(), (0,) * len(self.column_names())
        if len(self) > NARROW_ROWS:
            packed = tuple(zip(*map(narrow, self.arrays()), strict=True))
        columns, bases = packed
        data = b"".join([column.tobytes() for column in columns])
        dtypes = "".join([column.dtype.char for column in columns])
        return unpack, (type(self), len(self), dtypes, bases, data)

    def take(self, rows: npt.NDArray[np.generic] | slice) -> Self:
        """Return some of the rows, chosen by a mask, by row numbers, or by a slice."""
        return type(self)(*(column[rows] for column in self.arrays()))


def narrow(column: npt.NDArray[np.generic]) -> tuple[npt.NDArray[np.generic], int]:
    """Return integers as the least type that holds them less their minimum, and the minimum.

    >>> narrow(np.array([1_700_000_000_000_000_007, 1_700_000_000_000_000_009]))
    (array([0, 2], dtype=uint8), 1700000000000000007)
    """
    if column.dtype != np.int64 or not len(column):
        return column, 0
    base, largest = int(column.min()), int(column.max())
    kind = np.min_scalar_type(largest - base)
    if kind.itemsize == column.dtype.itemsize:
        return column, 0
    return (column - base).astype(kind), base


def unpack(
    kind: type[Columns], rows: int, dtypes: str, bases: tuple[int, ...], data: bytes
) -> Columns:
    """Return the columns of a pickle: arrays of their own types, that may be written to."""
    columns: list[npt.NDArray[np.generic]] = []
    begin = 0
    for dtype, base, own in zip(dtypes, bases, kind.dtypes().values(), strict=True):
        column = np.frombuffer(data, dtype, rows, begin)
        begin += column.nbytes
        columns.append(column.astype(own) + own.type(base) if base else column.astype(own))
    return kind(*columns)
