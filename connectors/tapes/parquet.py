"""Tapes as Parquet: the files of one partition, one after the other.

    column   type             meaning
    log_ns   int64            log time of the record in ns, never decreasing
    frame    binary or text   the record; empty or null: a heartbeat
    offset   int64, optional  number of the record in its partition, one more from row to row

The hours of an archive are such files (hour_file.py). Without the column `offset`, records are
numbered from the last offset on, from 0 at first. A partition may begin at any offset; after that
no record may be missing or come twice.
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
    """Reads the files of one partition, a page at a time."""

    def __init__(
        self, partition: str, files: tuple[Path, ...], records: int, span_ns: int, position: Any
    ) -> None:
        """Open at `position`; pages hold at most `records`, and span at most `span_ns`.

        Raises TapeflowError for a file that cannot be read, or lacks a column.
        """
        self.partition, self.files = partition, files
        self.records, self.span_ns = records, span_ns
        begin: tuple[int, int, int | None, int] = position or (0, 0, None, MIN_NS)
        # file of the next record, its row there, its offset (None: the first one's), log time
        self.number, self.row, self.offset, self.log_ns = begin
        self.ended = False
        self.buffered: Page | None = None  # read, and not delivered yet
        self.batches = self._open(self.row)

    def read(self) -> Page | None:
        """Return the next records, or None at the end."""
        if self.buffered is None:
            self.buffered = self._next()
        if self.buffered is None:
            self.ended = True
            return None
        page, self.buffered = split_page(self.buffered, self.records, self.span_ns)
        self.row += len(page.log_ns)
        self.offset, self.log_ns = page.next_offset, int(page.log_ns[-1])
        return page

    def position(self) -> Any:
        """Return file and row of the next record, its offset, and the log time reached."""
        return self.number, self.row, self.offset, self.log_ns

    def close(self) -> None:
        """Close the file."""
        self.file.close()

    @property
    def path(self) -> Path:
        """The file that is being read."""
        return self.files[self.number]

    def _open(self, row: int) -> Iterator[Any]:
        """Open the file at a row, which may be its end; its batches from there on."""
        with self._translate_errors():
            self.file = pq.ParquetFile(self.path)
            names = self.file.schema_arrow.names
            if missing := {"log_ns", "frame"} - set(names):
                raise TapeflowError(f"{self.path}: lacks the column {', '.join(sorted(missing))}")
            groups = list(range(self.file.num_row_groups))
            while groups and row >= (rows := self.file.metadata.row_group(groups[0]).num_rows):
                del groups[0]
                row -= rows
            columns = [name for name in ("log_ns", "frame", "offset") if name in names]
            batches = self.file.iter_batches(self.records, columns=columns, row_groups=groups)
            return from_row(batches, row)

    def _next(self) -> Page | None:
        """Return the next batch of a file that has one; None after the last file."""
        while True:
            with self._translate_errors():
                batch = next(self.batches, None)
            if batch is not None:
                return self._page(batch)
            if self.number + 1 == len(self.files):
                return None
            self.file.close()
            self.number, self.row = self.number + 1, 0
            self.batches = self._open(0)

    @contextmanager
    def _translate_errors(self) -> Iterator[None]:
        try:
            yield
        except (OSError, pa.ArrowException) as error:
            line = str(error).splitlines()[0]
            raise TapeflowError(f"{self.path}: damaged, or no tape: {line}") from None

    def _page(self, batch: Any) -> Page:
        """Return rows as a page; raise TapeflowError for what is wrong with them."""
        first_offset = self._first_offset(batch)
        frames = pc.fill_null(batch.column("frame").cast(pa.large_binary()), b"")
        bounds = np.frombuffer(frames.buffers()[1], np.int64)[frames.offset :][: len(frames) + 1]
        text = frames.buffers()[2]
        frame_bytes = b"" if text is None else text[bounds[0] : bounds[-1]].to_pybytes()
        data = np.frombuffer(frame_bytes + bytes(PADDING), np.uint8)
        times = batch.column("log_ns").cast(pa.int64())
        if times.null_count:
            raise TapeflowError(f"{self.path}: a record behind {self.offset} has no log time")
        log_ns = times.to_numpy()
        if log_ns[0] < self.log_ns or (np.diff(log_ns) < 0).any():
            raise TapeflowError(
                f"{self.path}: log time goes back behind record {self.offset}: a tape never does"
            )
        starts = bounds - bounds[0]
        return Page(self.partition, first_offset, log_ns, starts[:-1], starts[1:], data)

    def _first_offset(self, batch: Any) -> int:
        """Return the offset of the first row; check that all offsets continue those read before."""
        if "offset" not in batch.schema.names:
            return self.offset or 0
        column = batch.column("offset").cast(pa.int64())
        offsets = column.fill_null(-1).to_numpy()
        first = int(offsets[0])
        expected = first if self.offset is None else self.offset
        wrong = np.flatnonzero(offsets != np.arange(expected, expected + len(offsets)))
        if len(wrong):
            found, wanted = int(offsets[wrong[0]]), expected + int(wrong[0])
            why = (
                f"records {wanted} to {found - 1} are missing, perhaps a file of them"
                if found > wanted
                else "do two files hold the same records?"
            )
            raise TapeflowError(
                f"{self.path}: record {wanted} should come next, but {found} does: {why}"
            )
        return first


def from_row(batches: Iterator[Any], row: int) -> Iterator[Any]:
    """Yield batches without their first `row` rows, and without empty ones."""
    for batch in batches:
        if row < len(batch):
            yield batch.slice(row)
        row = max(row - len(batch), 0)
