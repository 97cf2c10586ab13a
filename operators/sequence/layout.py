"""The rows that the loop of `kernel.py` works on."""

import numpy as np
import numpy.typing as npt

from tapeflow.schemas.columns import Ints
from tapeflow.schemas.gaps import Breaks

Rows = npt.NDArray[np.void]  # of one of these dtypes
NONE = -1  # no trade yet; no range
RANGES_MAX = 16  # of an instrument


def int_fields(*names: str) -> np.dtype[np.void]:
    """Return the dtype of a row of integers."""
    return np.dtype([(name, np.int64) for name in names])


RANGE = int_fields("first_id", "last_id", "missing")
SEEN = int_fields("first_id", "newest_id", "event_ns")  # of an instrument; event of the newest
BREAK = int_fields(*Breaks.column_names())


def no_ranges(instruments: int) -> tuple[Rows, Ints]:
    """Return a table of ranges, (instruments, RANGES_MAX), and how many each instrument holds."""
    return np.zeros((instruments, RANGES_MAX), RANGE), np.zeros(instruments, np.int64)
