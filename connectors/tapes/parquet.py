"""Tapes as Parquet: columns `log_ns` (int64) and `frame` (binary or text).

A row is a record; an empty or null frame is a heartbeat.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tapeflow.schemas.batches import PADDING, Page, split_page
from tapeflow.schemas.errors import TapeflowError
from tapeflow.schemas.time import MIN_NS


class ParquetReader:
    """Reads the Parquet file of one partition, a page at a time."""

    def __init__(
        self, partition: str, path: Path, records: int, span_ns: int, position: Any
    ) -> None:
        """Open at `position`; pages hold at most `records`, and span at most `span_ns`.

        Raises TapeflowError for a file that cannot be read, or lacks a column.
        """
        self.partition, self.path, self.records, self.span_ns = partition, path, records, span_ns
        start: tuple[int, int] = position or (0, MIN_NS)
        self.offset, self.log_ns = start
        self.ended = False
        self.buffered: Page | None = None  # read, and not delivered yet
        with self._translate_errors():
            self.file = pq.ParquetFile(path)
            if missing := {"log_ns", "frame"} - set(self.file.schema_arrow.names):
                raise TapeflowError(f"{path}: lacks the column {', '.join(sorted(missing))}")
            self.batches = self.file.iter_batches(records, columns=["log_ns", "frame"])
        self.rows_to_skip = self.offset

    def read(self) -> Page | None:
        """Return the next records, or None at the end."""
        if self.buffered is None:
            self.buffered = self._next()
        if self.buffered is None:
            self.ended = True
            return None
        page, self.buffered = split_page(self.buffered, self.records, self.span_ns)
        self.offset, self.log_ns = page.next_offset, int(page.log_ns[-1])
        return page

    def position(self) -> Any:
        """Return where to resume: number of the next record, last log time (ns)."""
        return self.offset, self.log_ns

    def close(self) -> None:
        """Close the file."""
        self.file.close()

    def _next(self) -> Page | None:
        with self._translate_errors():
            for batch in self.batches:
                if self.rows_to_skip < len(batch):
                    page = self._page(batch.slice(self.rows_to_skip))
                    self.rows_to_skip = 0
                    return page
                self.rows_to_skip -= len(batch)
        return None

    @contextmanager
    def _translate_errors(self) -> Iterator[None]:
        try:
            yield
        except (OSError, pa.ArrowException) as error:
            line = str(error).splitlines()[0]
            raise TapeflowError(f"{self.path}: damaged, or no tape: {line}") from None

    def _page(self, batch: Any) -> Page:
        frames = pc.fill_null(batch.column("frame").cast(pa.large_binary()), b"")
        offsets = np.frombuffer(frames.buffers()[1], np.int64)[frames.offset :][: len(frames) + 1]
        buffer = frames.buffers()[2]
        frame_bytes = b"" if buffer is None else buffer[offsets[0] : offsets[-1]].to_pybytes()
        data = np.frombuffer(frame_bytes + bytes(PADDING), np.uint8)
        times = batch.column("log_ns").cast(pa.int64())
        if times.null_count:
            raise TapeflowError(f"{self.path}: a record after {self.offset} has no log time")
        log_ns = times.to_numpy()
        before_ns = self.log_ns if self.offset else log_ns[0]
        if log_ns[0] < before_ns or (np.diff(log_ns) < 0).any():
            raise TapeflowError(
                f"{self.path}: log time goes back after record {self.offset}: a tape never does"
            )
        starts = offsets - offsets[0]
        return Page(self.partition, self.offset, log_ns, starts[:-1], starts[1:], data)
