"""Tapes as Parquet: the files of one partition, one after the other.

    column   type             meaning
    log_ns   int or timestamp log time: of a number its digits show the unit (log_units.py)
    frame    binary or text   the record; empty or null: a heartbeat
    offset   int64, optional  number of the record in its partition, one more from row to row

The hours of an archive are such files (hour_file.py). Without the column `offset`, records are
numbered from the last offset on, from 0 at first. A partition may begin at any offset; after that
no record may be missing or come twice. `salvage` leaves out files that cannot be read, and what is
behind damage in one. A killed recorder leaves a file without its footer, of which nothing is read.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tapeflow.connectors.tapes.extent import extent
from tapeflow.connectors.tapes.log_units import LogTimeError, column_to_ns
from tapeflow.schemas.batches import PADDING, Page
from tapeflow.schemas.errors import IMPORT, TapeflowError
from tapeflow.schemas.notify import Notify
from tapeflow.schemas.time import format_time

MAGIC = b"PAR1"  # with which a Parquet file begins


class ParquetReader:
    """Reads the files of one partition, a page at a time."""

    def __init__(
        self,
        partition: str,
        files: tuple[Path, ...],
        records: int,
        position: Any,
        notify: Notify = lambda _: None,
        salvage: bool = False,
    ) -> None:
        """Open at `position`; pages hold at most `records`.

        With `salvage` a file ends where it is damaged, and `notify` says where. Raises
        TapeflowError for a file that cannot be read, or lacks a column.
        """
        self.partition, self.files, self.records = partition, files, records
        self.notify, self.salvage = notify, salvage
        begin: tuple[int, int, int | None, int, int, bool] = position or (0, 0, None, 0, 0, False)
        # file of the next record, its row there, its offset (None: the first one's), the last log
        # time (ns), digits of those that are numbers, whether records before the next are missing
        self.number, self.row, self.offset, self.log_ns, self.digits, self.gap = begin
        self.ended = False
        self.file: Any = None
        self.batches: Iterator[Any] | None = None

    def __str__(self) -> str:
        return str(self.files[self.number])

    def read(self) -> Page | None:
        """Return the next records, or None at the end."""
        while True:
            try:
                if self.batches is None:
                    self.batches = self._open(self.row)
                batch = next(self.batches, None)
            except (OSError, pa.ArrowException) as error:
                self._note_damage(error)
                batch = None
            if batch is not None:
                page = self._page(batch)
                self.row += len(page.log_ns)
                self.offset, self.log_ns = page.next_offset, int(page.log_ns[-1])
                self.gap = False
                return page
            if self.number + 1 == len(self.files):
                self.ended = True
                return None
            self.close()
            self.number, self.row, self.batches = self.number + 1, 0, None

    def position(self) -> Any:
        """Return where to resume, as plain values: see `__init__`."""
        return self.number, self.row, self.offset, self.log_ns, self.digits, self.gap

    def extent(self) -> tuple[int, int]:
        """Return how many bytes of the files are read, by their rows, and how many there are."""
        done, size = 0, extent(self.files[self.number : self.number + 1], 0, 0)[1]
        if self.batches is not None:
            done = size * self.row // max(self.file.metadata.num_rows, 1)
        return extent(self.files, self.number, done)

    def close(self) -> None:
        """Close the file."""
        if self.file is not None:
            self.file.close()

    def _open(self, row: int) -> Iterator[Any]:
        """Open the file at a row, which may be its end; its batches from there on."""
        self.file = pq.ParquetFile(pa.OSFile(os.fsencode(self.files[self.number])))
        names = self.file.schema_arrow.names
        if missing := {"log_ns", "frame"} - set(names):
            raise TapeflowError(
                f"{self}: lacks the column {', '.join(sorted(missing))}: it is no tape; {IMPORT}"
            )
        groups = list(range(self.file.num_row_groups))
        while groups and row >= (rows := self.file.metadata.row_group(groups[0]).num_rows):
            del groups[0]
            row -= rows
        columns = [name for name in ("log_ns", "frame", "offset") if name in names]
        batches = self.file.iter_batches(self.records, columns=columns, row_groups=groups)
        return from_row(batches, row)

    def _note_damage(self, error: Exception) -> None:
        """Notify that the file cannot be read further; TapeflowError unless it is salvaged."""
        why = str(error).partition("\n")[0]
        if isinstance(error, OSError) and error.errno:
            raise TapeflowError(f"{self}: cannot be read: {os.strerror(error.errno)}") from None
        if "footer" in why or "magic bytes" in why or "Parquet file size" in why:
            why = "it has no footer, which is written last: did its recorder end?"
        until, option = "nothing of it can be read", "--salvage leaves it out"
        if self.row:
            until = (
                f"readable up to record {(self.offset or 0) - 1}, log time "
                f"{format_time(self.log_ns)}, row {self.row:,} of it"
            )
            option = "--salvage takes this much"
        if not self.salvage:
            if self._is_foreign():
                raise TapeflowError(f"{self}: is no Parquet file; {IMPORT}")
            raise TapeflowError(f"{self}: damaged, or no tape: {why}: {until}; {option}")
        self.gap = True
        self.notify(f"{self}: damaged, or no tape: {why}: {until}; what came behind it is missing")

    def _is_foreign(self) -> bool:
        """Return whether a file does not even begin as Parquet does."""
        with self.files[self.number].open("rb") as file:
            return file.read(len(MAGIC)) not in {b"", MAGIC}

    def _page(self, batch: Any) -> Page:
        """Return rows as a page; raise TapeflowError for what is wrong with them."""
        first_offset = self._first_offset(batch)
        frames = pc.fill_null(batch.column("frame").cast(pa.large_binary()), b"")
        bounds = np.frombuffer(frames.buffers()[1], np.int64)[frames.offset :][: len(frames) + 1]
        text = frames.buffers()[2]
        frame_bytes = b"" if text is None else text[bounds[0] : bounds[-1]].to_pybytes()
        data = np.frombuffer(frame_bytes + bytes(PADDING), np.uint8)
        try:
            log_ns, self.digits = column_to_ns(batch.column("log_ns"), first_offset, self.digits)
        except LogTimeError as error:
            raise TapeflowError(f"{self}: {error}") from None
        starts = bounds - bounds[0]
        return Page(self.partition, first_offset, log_ns, starts[:-1], starts[1:], data)

    def _first_offset(self, batch: Any) -> int:
        """Return the offset of the first row; check that all offsets continue those read before."""
        if "offset" not in batch.schema.names:
            return self.offset or 0
        column = batch.column("offset").cast(pa.int64())
        offsets = column.fill_null(-1).to_numpy()
        first = int(offsets[0])
        expected = first if self.offset is None or self.gap else self.offset
        if self.gap:
            expected = max(first, self.offset or 0)
        wrong = np.flatnonzero(offsets != np.arange(expected, expected + len(offsets)))
        if len(wrong):
            found, wanted = int(offsets[wrong[0]]), expected + int(wrong[0])
            why = (
                f"records {wanted} to {found - 1} are missing, perhaps a file of them"
                if found > wanted
                else "do two files hold the same records?"
            )
            raise TapeflowError(
                f"{self}: record {wanted} should come next, but {found} does: {why}"
            )
        return first


def from_row(batches: Iterator[Any], row: int) -> Iterator[Any]:
    """Yield batches without their first `row` rows, and without empty ones."""
    for batch in batches:
        if row < len(batch):
            yield batch.slice(row)
        row = max(row - len(batch), 0)
