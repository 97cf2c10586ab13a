"""Arrays of one length: how ticks and bars travel."""

from functools import cache
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt
from msgspec import Struct
from msgspec.structs import astuple

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bytes = npt.NDArray[np.uint8]
Bools = npt.NDArray[np.bool_]


class Columns(Struct, frozen=True, eq=False):
    """Arrays of one length, in log order."""

    FLOATS: ClassVar[tuple[str, ...]] = ()
    BOOLS: ClassVar[tuple[str, ...]] = ()  # the others are int64

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """The columns' names."""
        return cls.__struct_fields__

    @classmethod
    @cache
    def empty(cls) -> Self:
        """No rows."""
        kinds = dict.fromkeys(cls.FLOATS, np.float64) | dict.fromkeys(cls.BOOLS, np.bool_)
        return cls(*(np.empty(0, kinds.get(name, np.int64)) for name in cls.names()))

    @classmethod
    def concat(cls, parts: list[Self]) -> Self:
        """The rows of all parts, in their order."""
        if len(parts) == 1:
            return parts[0]
        if not parts:
            return cls.empty()
        return cls(
            *(np.concatenate(column) for column in zip(*map(cls.arrays, parts), strict=True))
        )

    def arrays(self) -> tuple[npt.NDArray[np.generic], ...]:
        """The columns in the order of their names."""
        return astuple(self)

    def take(self, rows: npt.NDArray[np.generic] | slice) -> Self:
        """Some of the rows: a mask, numbers or a slice."""
        return type(self)(*(column[rows] for column in self.arrays()))
