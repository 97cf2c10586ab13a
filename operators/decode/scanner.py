"""The compiled reader: whole pages of frames at once, giving up on any doubt.

    page --scan_kernel, along scan_tables--> rows, and a status for every frame

What it says of a frame is exactly what the strict reader would say, or SLOW_PATH. Without numba it
doubts everything, and all works, slower. numba is imported by the first scan, as commands that run
no flow should not wait for it.
"""

from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from threading import local
from typing import Any

import numpy as np

from tapeflow.operators.decode.plans import CHANNEL_AT, FRAME_AT, LEVELS, WIDTH, compile_dialect
from tapeflow.operators.decode.rows import FLOATS, INTS, Rows
from tapeflow.operators.decode.strict import Symbols
from tapeflow.schemas.batches import PADDING, Page
from tapeflow.schemas.columns import Ints
from tapeflow.schemas.market import HEARTBEAT, SLOW_PATH
from tapeflow.schemas.venues.dialect import Dialect

COMPILED = find_spec("numba") is not None


class Scanner:
    """Reads the frames of one venue. Holds nothing that a scan changes: threads may share it."""

    def __init__(self, dialect: Dialect, symbols: Symbols) -> None:
        self.dialect = dialect
        self.symbols = symbols
        self.tables = compile_dialect(dialect, symbols)
        self._mine = local()
        self._addresses = tuple(table.ctypes.data for table in self.tables[:8])

    def __reduce__(self) -> tuple[type["Scanner"], tuple[Dialect, Symbols]]:
        """Addresses mean nothing elsewhere: a copy compiles its own tables."""
        return Scanner, (self.dialect, self.symbols)

    def scan(self, page: Page) -> tuple[Rows, Ints]:
        """Read rows, and say of every frame: DECODED, HEARTBEAT, IGNORED, UNLISTED or SLOW_PATH.

        UNLISTED says that the one row of a frame is left out.
        """
        found = kernel()
        if found is None or not self.tables.plans.size:
            status = np.where(page.starts == page.ends, HEARTBEAT, SLOW_PATH)
            return Rows.from_strict([]), status
        data, starts, ends = kernel_input(page)
        room = self.room(starts, ends)
        status = np.empty(len(starts), np.int64)
        out = np.empty((WIDTH, room + LEVELS), np.int64)
        scan, scratch = found[0], self.scratch(found[1])
        size = len(data) - PADDING
        rows = scan(data, size, starts, ends, status, out, scratch, self._addresses)
        assert rows >= 0, "a frame is not within its page"
        return to_rows(out[:, :rows]), status

    def scratch(self, fresh: Ints) -> Ints:
        """Fetch the thread's scratch memory: what it remembers only makes the next page quicker."""
        if not hasattr(self._mine, "scratch"):
            self._mine.scratch = fresh.copy()
        memory: Ints = self._mine.scratch
        return memory

    def room(self, starts: Ints, ends: Ints) -> int:
        """More rows than the frames can hold."""
        if not self.tables.row_bytes:
            return len(starts)
        return len(starts) + int((ends - starts).sum()) // self.tables.row_bytes


@cache
def kernel() -> tuple[Callable[..., int], Ints] | None:
    """Import the kernel, with its scratch memory as it begins; None without numba."""
    try:
        from tapeflow.operators.decode import kernel as scan_kernel  # noqa: PLC0415, see above
    except ImportError:
        return None
    scratch = np.zeros(scan_kernel.SCRATCH, np.int64)
    scratch[:2] = np.frombuffer(b"1970-01-01T00:00", np.int64)  # a true minute: its ns are 0
    return scan_kernel.scan, scratch


def kernel_input(page: Page) -> tuple[Any, Ints, Ints]:
    """See that a kernel can take the page: contiguous and padded."""
    data = np.ascontiguousarray(page.data, np.uint8)
    starts = np.ascontiguousarray(page.starts, np.int64)
    ends = np.ascontiguousarray(page.ends, np.int64)
    assert len(starts) == len(ends)
    assert len(data) >= PADDING and not data[-PADDING:].any(), "a page ends in zero bytes"
    return data, starts, ends


def to_rows(out: Ints) -> Rows:
    """Name the kernel's columns."""
    floats = out[len(INTS) : len(INTS) + len(FLOATS)].view(np.float64)
    return Rows(out[FRAME_AT], out[CHANNEL_AT], out[: len(INTS)], floats)
