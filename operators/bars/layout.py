"""The rows that the loop of `kernel.py` works on: open bars, and the clock of a partition."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

NONE = -1  # no slot; no trade yet
SUMS = ("volume", "notional", "buy_volume", "buy_notional")
BAR = np.dtype(
    [
        ("start_ns", np.int64),
        ("end_ns", np.int64),  # MAX_NS where it is beyond
        ("instrument", np.int64),
        ("next", np.int64),  # slot: of the same instrument, or free
        ("count", np.int64),
        ("open_event_ns", np.int64),  # of the trade that gave `open`
        ("close_event_ns", np.int64),
        ("open_rank", np.int64),  # the same trades among those of one event time
        ("close_rank", np.int64),
        ("first_offset", np.int64),
        ("last_offset", np.int64),
        ("log_ns", np.int64),  # of the record that closed it
        ("offset", np.int64),
        *((name, np.float64) for name in ("open", "high", "low", "close", *SUMS)),
        *((f"{name}_error", np.float64) for name in SUMS),
    ]
)


class Clock(NamedTuple):
    """The event time that a partition has reached; NONE before its first trade."""

    newest_ns: int  # the newest event time
    newest_log_ns: int  # log time of the record that has it
    watermark_ns: int
    first_ns: int  # event time of the first trade


class Slots(NamedTuple):
    """Use of the rows in the table of open bars."""

    free: int  # the first free one, NONE if there is none
    used: int
    first_end_ns: int  # of the open bars, MAX_NS if there is none


SCALARS = np.dtype([(name, np.int64) for name in (*Clock._fields, *Slots._fields)])
CURSOR = np.dtype([(name, np.int64) for name in ("record", "trade", "closed")])  # counts done
Rows = npt.NDArray[np.void]  # of one of these dtypes
