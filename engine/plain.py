"""Arrays as kernels of plain Python read them fast: what an index gives is a number of Python.

    array of numbers       ──▶  memoryview        the same memory
    array of more than 2 dimensions ──▶ tuple of them, by the first index
    array of rows          ──▶  Records           rows as dicts, written back behind the call

A number of numpy costs five times as much. It also wraps where it overflows; one of Python does
not, and is refused by the array that should hold it.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

F = TypeVar("F", bound=Callable[..., Any])

DIMENSIONS_MAX = 2  # of a memoryview that is indexed by all of its dimensions at once


class Records(dict[Any, dict[str, Any]]):
    """The rows of an array of records that were looked at, by index; each a dict by field."""

    def __init__(self, array: npt.NDArray[np.void]) -> None:
        self.array, self.names = array, array.dtype.names or ()

    def __len__(self) -> int:
        return len(self.array)

    def __missing__(self, index: Any) -> dict[str, Any]:
        row = dict(zip(self.names, self.array[index].item(), strict=True))
        super().__setitem__(index, row)
        return row

    def __setitem__(self, index: Any, row: dict[str, Any]) -> None:
        if index in self:
            self[index].update(row)  # who holds the row sees it change, as with a view
        else:
            super().__setitem__(index, dict(row))

    def write_back(self) -> None:
        """Write the rows into the array."""
        for index, row in self.items():
            self.array[index] = tuple(row.values())


def with_views(function: F) -> F:
    """Return a kernel marked `@by_numbers` as it runs without numba."""

    @wraps(function)
    def call(*arguments: Any, **named: Any) -> Any:
        records: list[Records] = []
        views = [view(each, records) for each in arguments]
        result = function(*views, **{name: view(each, records) for name, each in named.items()})
        for rows in records:
            rows.write_back()
        return result

    return call  # type: ignore[return-value]  # the same signature


def view(argument: Any, records: list[Records]) -> Any:
    """Return what a kernel reads in place of an argument; adds to `records` what to write back."""
    if isinstance(argument, tuple):
        return tuple(view(each, records) for each in argument)
    if isinstance(argument, np.generic):
        return argument.item()
    if not isinstance(argument, np.ndarray):
        return argument
    if argument.dtype.names is not None:
        records.append(Records(argument))
        return records[-1]
    if argument.ndim > DIMENSIONS_MAX:
        return tuple(view(each, records) for each in argument)
    return argument.data
