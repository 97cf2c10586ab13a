"""The compiled reader: whole pages at once; frames that it is not sure of are left to strict.py.

    page --page_kernel.py, along templates and plans.py's tables--> rows, and a status of each frame

It reads a frame exactly as the strict reader does, or gives it the status SLOW_PATH. Where kernels
are not compiled all frames are SLOW_PATH, and all works, slower.
"""

from collections.abc import Callable
from functools import cache
from threading import local
from typing import Any

import numpy as np

from tapeflow.engine.compiled import is_compiled
from tapeflow.engine.prepare import call_early
from tapeflow.operators.decode import kernel, page_kernel
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
from tapeflow.operators.decode.table_rows import TableRows
from tapeflow.operators.decode.thread_memory import ROWS_A_FRAME_MAX, ThreadMemory
from tapeflow.schemas.batches import PADDING, Page
from tapeflow.schemas.columns import Ints
from tapeflow.schemas.market import HEARTBEAT, SLOW_PATH
from tapeflow.schemas.venues.dialect import YEAR_2000_NS, Dialect


class Scanner:
    """Reads the frames of one venue. A scan changes nothing in it: threads may share one."""

    def __init__(self, dialect: Dialect, symbols: Symbols) -> None:
        self.dialect = dialect
        self.symbols = symbols
        self.tables = compile_dialect(dialect, symbols)
        self.table_rows = TableRows.of(self.tables)
        self._of_thread = local()
        self.addresses = tuple(table.ctypes.data for table in self.tables[:8])

    def __reduce__(self) -> tuple[type["Scanner"], tuple[Dialect, Symbols]]:
        """Pickle the dialect and symbols: a copy compiles its own tables, at its own addresses."""
        return Scanner, (self.dialect, self.symbols)

    def scan(self, page: Page) -> tuple[Rows, Ints, Ints]:
        """Read the rows of a page, a status of each frame, and what ignored frames are.

        DECODED, HEARTBEAT, IGNORED, UNLISTED (the one row of the frame is left out) or SLOW_PATH.
        The last is (frames, 2), only of ignored ones: number of the channel, and of the instrument
        where its trades are not read, -1 where it is not listed.
        """
        loaded, ignored = load_kernel(), np.empty((len(page.starts), 2), np.int64)
        if loaded is None or not self.tables.plans.size:
            status = np.where(page.starts == page.ends, HEARTBEAT, SLOW_PATH)
            return Rows.from_strict([]), status, ignored
        data, starts, ends = kernel_input(page)
        status, size = np.empty(len(starts), np.int64), len(data) - PADDING
        scan, memory = loaded[0], self.memory(loaded[1])
        addresses = (*self.addresses, ignored.ctypes.data)
        rows_max, most = self.rows_max(starts, ends)
        room = min(rows_max, memory.rows_a_frame * len(starts) + most)
        while True:
            out = np.empty((WIDTH, room + LEVELS), np.int64)
            rows = scan(
                data, size, starts, ends, status, out, memory.scratch, memory.templates, addresses
            )
            assert rows >= 0, "a frame is not within its page"
            if room == rows_max or room - rows >= most or SLOW_PATH not in status:
                break
            room = rows_max  # a frame may have found no room for its rows
        if rows > memory.rows_a_frame * len(starts):
            memory.rows_a_frame = min(rows // len(starts) + 1, ROWS_A_FRAME_MAX)
        memory.learn(page)
        return to_rows(out[:, :rows]), status, ignored

    def memory(self, scratch: Ints) -> "ThreadMemory":
        """Return the thread's memory, made with a copy of this scratch."""
        if not hasattr(self._of_thread, "memory"):
            self._of_thread.memory = ThreadMemory(scratch, self.table_rows)
        memory: ThreadMemory = self._of_thread.memory
        return memory

    def rows_max(self, starts: Ints, ends: Ints) -> tuple[int, int]:
        """Return a number of rows that all frames cannot exceed, and one that no frame can."""
        if not self.tables.row_bytes or not len(starts):
            return len(starts), 1
        lengths = (ends - starts) // self.tables.row_bytes + 1
        return int(lengths.sum()), int(lengths.max())


@call_early
@cache
def load_kernel() -> tuple[Callable[..., int], Ints] | None:
    """Return the kernel, and its scratch memory as it begins; None where it is not compiled."""
    if not is_compiled(page_kernel.scan):
        return None
    scratch = np.zeros(kernel.SCRATCH, np.int64)
    scratch[:2] = np.frombuffer(b"2000-01-01T00:00", np.int64)  # a valid entry
    scratch[2] = YEAR_2000_NS
    return page_kernel.scan, scratch


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
