"""Tapes: a partition of the log as text, one line per record: `<log_ns> <frame>`.

    1723161254087896568 {"stream":"btcusdt@trade","data":{..}}
    1723161254187000000                                           <- no frame: a heartbeat

A log time of 16 digits is in microseconds, as some recorders write it. A name that ends in .gz or
.zst means gzip or zstd. Several files may hold one partition, one after the other.

    block   |line |line |line |line |start of a li|zeros
                  ^ cursor          ^ lines_end   ^ filled_end
"""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from tapeflow.engine.prepare import call_early
from tapeflow.schemas.batches import PADDING, Page
from tapeflow.schemas.columns import Bytes, Ints
from tapeflow.schemas.errors import TapeflowError
from tapeflow.schemas.time import MAX_NS, MIN_NS

LONG_WINDOW = "its zstd window is over 128 MiB (zstd --long): pack it again without --long"
BLOCK_BYTES = 1 << 22  # read at a time
MICROSECOND_DIGITS = 16  # of a log time in microseconds, not nanoseconds
EXCERPT_BYTES = 30  # of a line in an error
SEARCH_BYTES = 1 << 16  # searched at a time for the last newline
NEWLINE = 10


class TapeReader:
    """Reads the text files of one partition, a page at a time."""

    def __init__(
        self, partition: str, files: tuple[Path, ...], records: int, span_ns: int, position: Any
    ) -> None:
        """Open at `position`; pages hold at most `records`, and span at most `span_ns`.

        Raises TapeflowError for a file that cannot be read.
        """
        self.partition, self.files = partition, files
        self.records, self.span_ns = records, span_ns
        start: tuple[int, int, int, int] = position or (0, 0, 0, MIN_NS)
        self.file, self.byte, self.offset, self.log_ns = start
        self.ended = False
        self._set_block(np.zeros(PADDING, np.uint8), 0, 0)
        self.stream = self._open()

    def read(self) -> Page | None:
        """Return the next records, or None at the end.

        Raises TapeflowError for a damaged file, and for a line that is no record.
        """
        while self.cursor == self.lines_end:
            if not self._fill():
                self.ended = True
                return None
        return self._next_page()

    def position(self) -> Any:
        """Return where to resume: file index, byte in its text, record, last log time (ns)."""
        return self.file, self.byte, self.offset, self.log_ns

    def close(self) -> None:
        """Close the file."""
        self.stream.close()

    def _open(self) -> Any:
        path = self.files[self.file]
        try:
            stream = pa.input_stream(str(path), compression="detect")
            skip = self.byte
            while skip > 0 and (skipped := stream.read(min(skip, BLOCK_BYTES))):
                skip -= len(skipped)
        except OSError as error:
            raise TapeflowError(f"{path}: cannot be read: {error}") from None
        return stream

    def _set_block(self, data: Bytes, lines_end: int, filled_end: int) -> None:
        """Set a block of text: whole lines up to `lines_end`, the start of one to `filled_end`."""
        self.data, self.cursor, self.lines_end, self.filled_end = data, 0, lines_end, filled_end
        self.readonly = data.view()  # like pages of Kafka: one array type for compiled code
        self.readonly.flags.writeable = False
        self.words = np.ndarray(len(data) - 7, "<u8", data, strides=(1,))

    def _fill(self) -> bool:
        """Read the next block after the start of a line left over; False after the last file."""
        rest = self.data[self.lines_end : self.filled_end]
        data = np.empty(len(rest) + BLOCK_BYTES + PADDING, np.uint8)
        data[: len(rest)] = rest
        try:
            bytes_read = self.stream.readinto(data.data[len(rest) : -PADDING])
        except OSError as error:
            why = LONG_WINDOW if "too much memory" in str(error) else f"damaged or cut off: {error}"
            raise TapeflowError(f"{self.files[self.file]}: {why}") from None
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
            return False
        self.stream.close()
        self.file, self.byte = self.file + 1, 0
        self.stream = self._open()
        return True

    def _next_page(self) -> Page:
        """Return the next lines of the block as a page."""
        starts, ends, log_ns = (np.empty(self.records, np.int64) for _ in range(3))
        count, split, next_cursor = 0, kernel(), self.cursor
        if split is not None:
            count, next_cursor = split(
                self.data, self.words, self.cursor, self.lines_end, self.log_ns, self.span_ns,
                starts, ends, log_ns,
            )  # fmt: skip
        if not count:
            count, next_cursor = self._read_strictly(starts, ends, log_ns, one=split is not None)
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

        Raises TapeflowError where the first line is no record.
        """
        begin = self.cursor
        text = self.data[begin : self.lines_end].tobytes()
        count, at, before_ns = 0, begin, self.log_ns
        while at < self.lines_end and count < (1 if one else len(starts)):
            end = text.index(b"\n", at - begin) + begin
            digits = text[at - begin : end - begin].partition(b" ")[0]
            try:
                time_ns = self._log_time(digits, self.offset + count, before_ns)
            except TapeflowError:
                if count:
                    break  # the lines before it are delivered first
                raise
            if count and time_ns - int(log_ns[0]) > self.span_ns:
                break
            starts[count], ends[count] = min(at + len(digits) + 1, end), end
            log_ns[count] = before_ns = time_ns
            count, at = count + 1, end + 1
        return count, at

    def _log_time(self, digits: bytes, offset: int, before_ns: int) -> int:
        scale = 1000 if len(digits) == MICROSECOND_DIGITS else 1
        if not digits.isdigit() or int(digits) * scale > MAX_NS:
            raise TapeflowError(
                f"{self.files[self.file]}: record {offset} begins with {digits[:EXCERPT_BYTES]!r}, "
                "not with a log time in ns"
            )
        log_ns = int(digits) * scale
        if log_ns < before_ns:
            raise TapeflowError(
                f"{self.files[self.file]}: record {offset} has log time "
                f"{log_ns}, before {before_ns} of the one before it: a tape never goes back"
            )
        return log_ns


def after_last_line(data: Bytes) -> int:
    """Return the index after the last newline in `data`; 0 where there is none."""
    end = len(data)
    while end:
        begin = max(end - SEARCH_BYTES, 0)
        newline = data[begin:end].tobytes().rfind(b"\n")
        if newline >= 0:
            return begin + newline + 1
        end = begin
    return 0


@call_early
@cache
def kernel() -> Callable[..., tuple[int, int]] | None:
    """Return the compiled reader of lines; None where numba is not installed."""
    try:
        from tapeflow.connectors.tapes import line_kernel  # noqa: PLC0415  # slow to import
    except ImportError:
        return None
    return line_kernel.split
