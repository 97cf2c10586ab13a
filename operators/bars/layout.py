"""The rows that the loop of `kernel.py` works on: open bars, and the clock of a partition.

A bar may end, and a watermark stand, beyond the end of int64. Both are counted from MIDDLE_NS (a
name in `_mid_ns`): with widths and lateness below MIDDLE_NS no difference and no sum leaves int64.
"""

from typing import Annotated, NamedTuple

import numpy as np
import numpy.typing as npt

from tapeflow.schemas.columns import WRITTEN, Floats, Ints, Written
from tapeflow.schemas.time import MAX_NS

NONE = -1  # no slot; no trade yet
MIDDLE_NS = 2**62  # of the event times, which are from 0 to 2^63 - 1
NEVER_MID_NS = MAX_NS  # later than every end and every watermark
SUMS = ("volume", "notional", "buy_volume", "buy_notional")
BAR = np.dtype(
    [
        ("start_ns", np.int64),
        ("end_mid_ns", np.int64),
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
    watermark_mid_ns: int
    first_ns: int  # event time of the first trade


class Slots(NamedTuple):
    """Use of the rows in the table of open bars."""

    free: int  # the first free one, NONE if there is none
    used: int
    first_end_mid_ns: int  # of the open bars, NEVER_MID_NS if there is none


SCALARS = np.dtype([(name, np.int64) for name in (*Clock._fields, *Slots._fields)])
CURSOR = np.dtype([(name, np.int64) for name in ("record", "trade", "closed")])  # counts done
Rows = npt.NDArray[np.void]  # of one of these dtypes
Scalars = Annotated[Rows, SCALARS, WRITTEN]  # the types of the fold's arguments
Cursor = Annotated[Rows, CURSOR, WRITTEN]
BarRows = Annotated[Rows, BAR, WRITTEN]


class Trades(NamedTuple):
    """Columns of trades; a verdict may change to LATE."""

    offset: Ints
    instrument: Ints
    counts: Ints  # `count` is a method of tuples
    aggressor: Ints
    event_ns: Ints
    trade_id: Ints
    verdict: Ints
    price: Floats
    size: Floats


TradeColumns = tuple[Ints, Ints, Ints, Ints, Ints, Ints, Written[Ints], Floats, Floats]
