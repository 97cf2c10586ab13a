"""Tapes: a partition of the log as text, one line per record: `<log time> <frame>`.

    1723161254087896568 {"stream":"btcusdt@trade","data":{..}}
    1723161254187000000                                           <- no frame: a heartbeat

The digits of the log time show its unit (log_units.py). A name that ends in .gz or .zst means gzip
or zstd. Several files may hold one partition, one after the other. Of a file that a killed recorder
left, `salvage` takes what is before the damage.
"""

from pathlib import Path
from typing import Any

import numpy as np

from tapeflow.connectors.tapes.extent import extent
from tapeflow.connectors.tapes.line_kernel import split
from tapeflow.connectors.tapes.log_units import LogTimeError, to_ns
from tapeflow.connectors.tapes.text_block import TextBlock
from tapeflow.connectors.tapes.text_file import TextFile
from tapeflow.engine.compiled import is_compiled
from tapeflow.schemas.batches import Page
from tapeflow.schemas.columns import Ints
from tapeflow.schemas.errors import IMPORT, TapeflowError
from tapeflow.schemas.notify import Notify
from tapeflow.schemas.time import LOG_UNITS, MIN_NS, format_time

EXCERPT_BYTES = 30  # of a line in an error


class TapeReader:
    """Reads the text files of one partition, a page at a time, with log times as written."""

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
        TapeflowError for a file that cannot be read.
        """
        self.partition, self.files, self.records = partition, files, records
        self.notify, self.salvage = notify, salvage
        start: tuple[int, int, int, int, int] = position or (0, 0, 0, MIN_NS, 0)
        self.file, self.byte, self.offset, self.log_ns, self.digits = start
        self.ended = False
        self.is_compiled = is_compiled(split)
        self._open()

    def __str__(self) -> str:
        return str(self.files[self.file])

    def read(self) -> Page | None:
        """Return the next records, or None at the end.

        Raises TapeflowError for a damaged file, and for a line that is no record.
        """
        page = None
        while page is None and not self.ended:
            if self.block.has_lines():
                page = self._next_page()
            elif not self.block.at_end:
                self.block.fill()
            elif self.text.damage:
                self._end_damaged(self.text.damage)
            else:
                self._next_file()
        return page

    def position(self) -> Any:
        """Return where to resume, as plain integers.

        File index, byte in its text, record, last log time (ns), digits of the log times.
        """
        return self.file, self.byte, self.offset, self.log_ns, self.digits

    def extent(self) -> tuple[int, int]:
        """Return how many bytes of the files are read, and how many there are."""
        return extent(self.files, self.file, self.text.bytes_read())

    def close(self) -> None:
        """Close the file."""
        self.text.close()

    def _open(self) -> None:
        self.text = TextFile(self.files[self.file], self.byte)
        self.block = TextBlock(self.text)

    def _next_file(self) -> None:
        if self.file + 1 == len(self.files):
            self.ended = True
            return
        self.text.close()
        self.file, self.byte = self.file + 1, 0
        self._open()

    def _end_damaged(self, why: str) -> None:
        """Go on with the next file, as no more of this one can be read, or raise TapeflowError."""
        until = "nothing of it can be read"
        if self.byte:
            reached = f"record {self.offset - 1}, log time {format_time(self.log_ns)}"
            until = f"readable up to {reached}, byte {self.byte:,} of its text"
        if not self.salvage:
            leave_out = f"--salvage leaves it out; {IMPORT}"
            option = "--salvage takes this much" if self.byte else leave_out
            raise TapeflowError(f"{self}: {why}: {until}; {option}")
        self.notify(f"{self}: {why}: {until}; what came behind it is missing")
        self._next_file()

    def _next_page(self) -> Page | None:
        """Return the next lines as a page; None where the file ends before them."""
        block, columns = self.block, [np.empty(self.records, np.int64) for _ in range(3)]
        try:
            count, cursor = self._read_lines(block.cursor, columns)
        except LogTimeError as error:
            self._end_damaged(f"record {self.offset} {error}")
            return None
        while count < self.records and cursor == block.lines_end and block.extend():
            try:
                more, cursor = self._read_lines(cursor, [each[count:] for each in columns])
            except LogTimeError:
                break  # the lines before it are delivered first
            count += more
        self.byte += cursor - block.cursor
        starts, ends, log_ns = (each[:count] for each in columns)
        page = Page(self.partition, self.offset, log_ns, starts, ends, block.cut_page(cursor))
        self.offset, self.log_ns = page.next_offset, int(log_ns[-1])
        return page

    def _read_lines(self, begin: int, columns: list[Ints]) -> tuple[int, int]:
        """Read lines from `begin` on until the columns are full, or a line is no record.

        Returns their number and where they end. Raises LogTimeError where the first is no record.
        """
        block, count, end = self.block, 0, begin
        if not self.digits:
            self._read_strictly(begin, columns, one=True)  # the first line shows them
        if self.is_compiled:
            unit_ns = LOG_UNITS[self.digits][1]
            count, end = split(block.data, begin, block.lines_end, self.digits, unit_ns, *columns)
        return (count, end) if count else self._read_strictly(begin, columns, one=self.is_compiled)

    def _read_strictly(self, begin: int, columns: list[Ints], *, one: bool) -> tuple[int, int]:
        """Read lines as the kernel does; `one` only the first.

        Raises LogTimeError where the first line is no record.
        """
        (starts, ends, log_ns), lines_end = columns, self.block.lines_end
        text = self.block.data[begin:lines_end].tobytes()
        count, at = 0, begin
        while at < lines_end and count < (1 if one else len(starts)):
            end = text.index(b"\n", at - begin) + begin
            digits = text[at - begin : end - begin].partition(b" ")[0]
            try:
                log_ns[count] = self._log_time(digits)
            except LogTimeError:
                if count:
                    break  # the lines before it are delivered first
                raise
            starts[count], ends[count] = min(at + len(digits) + 1, end), end
            count, at = count + 1, end + 1
        return count, at

    def _log_time(self, digits: bytes) -> int:
        if not digits.isdigit():
            raise LogTimeError(f"begins with {digits[:EXCERPT_BYTES]!r}, not with a log time")
        log_ns = to_ns(int(digits[:EXCERPT_BYTES]), len(digits), self.digits)
        self.digits = len(digits)
        return log_ns
