"""Numbers of a table whose rows have changed since a snapshot was made.

then   A 0   B 1   D 2          numbers  [0, GONE, 2]     B has gone, C is new
now    A 0   C 1   D 2
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tapeflow.schemas.columns import Bools, Ints

GONE = -1


def find_numbers(was: Sequence[str], now: Sequence[str]) -> Ints:
    """Return, by the number that each row of a table had, the one that it has now, or GONE.

    >>> find_numbers(["A", "B", "D"], ["A", "C", "D"]).tolist()
    [0, -1, 2]
    """
    number_of = {name: number for number, name in enumerate(now)}
    return np.array([number_of.get(name, GONE) for name in was], np.int64)


def move_rows(rows: npt.NDArray[Any], numbers: Ints, target: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Write rows of the table as it was to their places in `target`; return it.

    Rows of `target` that are new stay as they are.
    """
    here = numbers != GONE
    target[numbers[here]] = rows[here]
    return target


def keep_rows(encoded: bytes, here: Bools) -> bytes:
    """Return the rows of an array, as bytes, that are here; `here` has one value for each row."""
    width = len(encoded) // max(len(here), 1)
    return np.frombuffer(encoded, np.uint8).reshape(len(here), width)[here].tobytes()
