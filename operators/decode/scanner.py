"""The compiled reader: whole pages at once; frames that it is not sure of are left to strict.py.

    page --kernel.py, along plans.py's tables--> rows, and a status for every frame

It reads a frame exactly as the strict reader does, or gives it the status SLOW_PATH. Without numba
all frames are SLOW_PATH, and all works, slower. numba is imported by the first scan, as commands
that run no flow should not wait for it.
"""

from collections.abc import Callable
from functools import cache
from threading import local
from typing import Any

import numpy as np

from tapeflow.engine.prepare import call_early
from tapeflow.operators.decode.layout import (
    CHANNEL_AT,
    FLOATS_AT,
    FRAME_AT,
    INSTRUMENT_AT,
    LEVELS,
    WIDTH,
)
from tapeflow.operators.decode.plans import compile_dialect
from tapeflow.operators.decode.rows import Rows
from tapeflow.operators.decode.strict import Symbols
from tapeflow.schemas.batches import PADDING, Page
from tapeflow.schemas.columns import Ints
from tapeflow.schemas.market import HEARTBEAT, SLOW_PATH
from tapeflow.schemas.venues.dialect import Dialect


class Scanner:
    """Reads the frames of one venue. A scan changes nothing in it: threads may share one."""

    def __init__(self, dialect: Dialect, symbols: Symbols) -> None:
        self.dialect = dialect
        self.symbols = symbols
        self.tables = compile_dialect(dialect, symbols)
        self._of_thread = local()
        self.addresses = tuple(table.ctypes.data for table in self.tables[:8])

    def __reduce__(self) -> tuple[type["Scanner"], tuple[Dialect, Symbols]]:
        """Pickle the dialect and symbols: a copy compiles its own tables, at its own addresses."""
        return Scanner, (self.dialect, self.symbols)

    def scan(self, page: Page) -> tuple[Rows, Ints]:
        """Read the rows of a page, and a status of each frame.

        DECODED, HEARTBEAT, IGNORED, UNLISTED (the one row of the frame is left out) or SLOW_PATH.
        """
        loaded = load_kernel()
        if loaded is None or not self.tables.plans.size:
            status = np.where(page.starts == page.ends, HEARTBEAT, SLOW_PATH)
            return Rows.from_strict([]), status
        data, starts, ends = kernel_input(page)
        rows_max = self.rows_max(starts, ends)
        status = np.empty(len(starts), np.int64)
        out = np.empty((WIDTH, rows_max + LEVELS), np.int64)
        scan, scratch = loaded[0], self.scratch(loaded[1])
        size = len(data) - PADDING
        rows = scan(data, size, starts, ends, status, out, scratch, self.addresses)
        assert rows >= 0, "a frame is not within its page"
        return to_rows(out[:, :rows]), status

    def scratch(self, initial: Ints) -> Ints:
        """Return the thread's scratch memory: a cache between pages, on which no result depends."""
        if not hasattr(self._of_thread, "scratch"):
            self._of_thread.scratch = initial.copy()
        memory: Ints = self._of_thread.scratch
        return memory

    def rows_max(self, starts: Ints, ends: Ints) -> int:
        """Return a number of rows that the frames cannot exceed."""
        if not self.tables.row_bytes:
            return len(starts)
        return len(starts) + int((ends - starts).sum()) // self.tables.row_bytes


@call_early
@cache
def load_kernel() -> tuple[Callable[..., int], Ints] | None:
    """Import the kernel: its `scan`, and its scratch memory as it begins; None without numba."""
    try:
        from tapeflow.operators.decode import kernel  # noqa: PLC0415, see above
    except ImportError:
        return None
    scratch = np.zeros(kernel.SCRATCH, np.int64)
    scratch[:2] = np.frombuffer(
        b"1970-01-01T00:00", np.int64
    )  # a valid entry: this minute begins at 0 ns
    return kernel.scan, scratch


def kernel_input(page: Page) -> tuple[Any, Ints, Ints]:
    """Return data, starts and ends of a page as the kernel needs them: contiguous and padded."""
    data = np.ascontiguousarray(page.data, np.uint8)
    starts = np.ascontiguousarray(page.starts, np.int64)
    ends = np.ascontiguousarray(page.ends, np.int64)
    assert len(starts) == len(ends)
    assert len(data) >= PADDING and not data[-PADDING:].any(), "a page ends in zero bytes"
    return data, starts, ends


def to_rows(out: Ints) -> Rows:
    """Name the kernel's columns: views of `out`, (WIDTH, rows) int64."""
    floats = out[FLOATS_AT:].view(np.float64)
    return Rows(out[FRAME_AT], out[CHANNEL_AT], out[INSTRUMENT_AT:FLOATS_AT], floats)
