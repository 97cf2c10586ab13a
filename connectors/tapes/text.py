"""Tapes: a partition of the log as text, one line per record: `<log time> <frame>`.

    1723161254087896568 {"stream":"btcusdt@trade","data":{..}}
    1723161254187000000                                           <- no frame: a heartbeat

The digits of the log time show its unit (log_units.py). A name that ends in .gz or .zst means gzip
or zstd. Several files may hold one partition, one after the other. Of a file that a killed recorder
left, `salvage` takes what is before the damage.

    block   |line |line |line |line |start of a li|zeros
                  ^ cursor          ^ lines_end   ^ filled_end
"""

from pathlib import Path
from typing import Any

import numpy as np

from tapeflow.connectors.tapes.extent import extent
from tapeflow.connectors.tapes.line_kernel import split
from tapeflow.connectors.tapes.log_units import LogTimeError, to_ns
from tapeflow.connectors.tapes.text_file import TextFile, after_last_line
from tapeflow.engine.compiled import is_compiled
from tapeflow.schemas.batches import PADDING, Page
from tapeflow.schemas.columns import Bytes, Ints
from tapeflow.schemas.errors import TapeflowError
from tapeflow.schemas.notify import Notify
from tapeflow.schemas.time import LOG_UNITS, MIN_NS, format_time

BLOCK_BYTES = 1 << 22  # read at a time
EXCERPT_BYTES = 30  # of a line in an error
NEWLINE = 10


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
        while page is None:
            if self.cursor < self.lines_end:
                page = self._next_page()
            elif not self._fill():
                self.ended = True
                return None
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
        self._set_block(np.zeros(PADDING, np.uint8), 0, 0)

    def _set_block(self, data: Bytes, lines_end: int, filled_end: int) -> None:
        """Set a block of text: whole lines up to `lines_end`, the start of one to `filled_end`."""
        self.data, self.cursor, self.lines_end, self.filled_end = data, 0, lines_end, filled_end
        self.readonly = data.view()  # like pages of Kafka: one array type for compiled code
        self.readonly.flags.writeable = False

    def _fill(self) -> bool:
        """Read the next block after the start of a line left over; False after the last file."""
        rest = self.data[self.lines_end : self.filled_end]
        data = np.empty(len(rest) + BLOCK_BYTES + PADDING, np.uint8)
        data[: len(rest)] = rest
        bytes_read = self.text.readinto(data.data[len(rest) : -PADDING])
        if not bytes_read and self.text.damage:
            return self._end_damaged(self.text.damage)
        if not bytes_read and not len(rest):
            return self._next_file()
        filled_end = len(rest) + bytes_read
        if not bytes_read:
            data[filled_end] = NEWLINE  # which the last line lacks
            filled_end += 1
        data[filled_end : filled_end + PADDING] = 0
        lines_end = after_last_line(data[:filled_end])
        self._set_block(data[: filled_end + PADDING], lines_end, filled_end)
        return True

    def _next_file(self) -> bool:
        if self.file + 1 == len(self.files):
            self._set_block(np.zeros(PADDING, np.uint8), 0, 0)
            return False
        self.text.close()
        self.file, self.byte = self.file + 1, 0
        self._open()
        return True

    def _end_damaged(self, why: str) -> bool:
        """Go on with the next file, as no more of this one can be read, or raise TapeflowError."""
        until = "nothing of it can be read"
        if self.byte:
            reached = f"record {self.offset - 1}, log time {format_time(self.log_ns)}"
            until = f"readable up to {reached}, byte {self.byte:,} of its text"
        if not self.salvage:
            option = "--salvage takes this much" if self.byte else "--salvage leaves it out"
            raise TapeflowError(f"{self}: {why}: {until}; {option}")
        self.notify(f"{self}: {why}: {until}; what came behind it is missing")
        return self._next_file()

    def _next_page(self) -> Page | None:
        """Return the next lines of the block as a page; None where the file ends before them."""
        starts, ends, log_ns = (np.empty(self.records, np.int64) for _ in range(3))
        try:
            if not self.digits:
                self._read_strictly(starts, ends, log_ns, one=True)  # the first line shows them
            count, next_cursor = 0, self.cursor
            if self.is_compiled:
                count, next_cursor = split(
                    self.data, self.cursor, self.lines_end, self.digits,
                    LOG_UNITS[self.digits][1], starts, ends, log_ns,
                )  # fmt: skip
            if not count:
                count, next_cursor = self._read_strictly(starts, ends, log_ns, one=self.is_compiled)
        except LogTimeError as error:
            self._end_damaged(f"record {self.offset} {error}")
            return None
        page = Page(
            self.partition, self.offset, log_ns[:count], starts[:count], ends[:count], self.readonly
        )
        self.byte += next_cursor - self.cursor
        self.cursor, self.offset, self.log_ns = next_cursor, page.next_offset, int(page.log_ns[-1])
        return page

    def _read_strictly(
        self, starts: Ints, ends: Ints, log_ns: Ints, *, one: bool
    ) -> tuple[int, int]:
        """Read lines as the kernel does; `one` only the first.

        Raises LogTimeError where the first line is no record.
        """
        begin = self.cursor
        text = self.data[begin : self.lines_end].tobytes()
        count, at = 0, begin
        while at < self.lines_end and count < (1 if one else len(starts)):
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
