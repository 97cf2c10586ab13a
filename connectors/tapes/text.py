"""Tapes: a partition of the log as text, a line each record: `<log_ns> <frame>`.

    1723161254087896568 {"stream":"btcusdt@trade","data":{..}}
    1723161254187000000                                           <- no frame: a heartbeat

A log time of 16 digits is in microseconds, as some recorders write. Compressed by gzip or zstd
where the name ends so. Several files may hold one partition, one after the other.
"""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from tapeflow.connectors.source.progress import END, START
from tapeflow.schemas.batches import PADDING, Page
from tapeflow.schemas.columns import Bytes, Ints
from tapeflow.schemas.errors import TapeflowError

BLOCK = 1 << 22  # bytes read at a time
MICROSECONDS = 16  # digits of a log time that is not in nanoseconds
SHOWN = 30  # bytes of a line in an error
TAIL = 1 << 16  # bytes looked through at once for the last newline
NEWLINE = 10


class TapeReader:
    """Reads the files of one partition, a page at a time."""

    def __init__(
        self, partition: str, files: tuple[Path, ...], records: int, span_ns: int, position: Any
    ) -> None:
        """Open at `position`; pages hold at most `records`, and `span_ns` of log time."""
        self.partition, self.files = partition, files
        self.records, self.span_ns = records, span_ns
        begin: tuple[int, int, int, int] = position or (0, 0, 0, START)
        self.file, self.byte, self.offset, self.log_ns = begin
        self.ended = False
        self._hold(np.zeros(PADDING, np.uint8), 0, 0)
        self.stream = self._open()

    def read(self) -> Page | None:
        """The next records, or None at the end."""
        while self.at == self.whole:
            if not self._fill():
                self.ended = True
                return None
        return self._cut()

    def position(self) -> Any:
        """File, byte in its text, record, and log time reached."""
        return self.file, self.byte, self.offset, self.log_ns

    def close(self) -> None:
        """Close the file."""
        self.stream.close()

    def _open(self) -> Any:
        path = self.files[self.file]
        try:
            stream = pa.input_stream(str(path), compression="detect")
            skip = self.byte
            while skip > 0 and (skipped := stream.read(min(skip, BLOCK))):
                skip -= len(skipped)
        except OSError as error:
            raise TapeflowError(f"{path}: cannot be read: {error}") from None
        return stream

    def _hold(self, data: Bytes, whole: int, filled: int) -> None:
        """Take a block of text: lines up to `whole`, the beginning of one up to `filled`."""
        self.data, self.at, self.whole, self.filled = data, 0, whole, filled
        self.shown = data.view()  # as the pages of Kafka: of one kind to compiled code
        self.shown.flags.writeable = False
        self.words = np.ndarray(len(data) - 7, "<u8", data, strides=(1,))

    def _fill(self) -> bool:
        """Read the next block behind the beginning of a line; False after the last file."""
        rest = self.data[self.whole : self.filled]
        data = np.empty(len(rest) + BLOCK + PADDING, np.uint8)
        data[: len(rest)] = rest
        try:
            read = self.stream.readinto(data.data[len(rest) : -PADDING])
        except OSError as error:
            raise TapeflowError(f"{self.files[self.file]}: damaged or cut off: {error}") from None
        if not read and not len(rest):
            return self._next_file()
        filled = len(rest) + read
        if not read:
            data[filled] = NEWLINE  # which the last line lacks
            filled += 1
        data[filled : filled + PADDING] = 0
        self._hold(data[: filled + PADDING], after_last_line(data[:filled]), filled)
        return True

    def _next_file(self) -> bool:
        if self.file + 1 == len(self.files):
            return False
        self.stream.close()
        self.file, self.byte = self.file + 1, 0
        self.stream = self._open()
        return True

    def _cut(self) -> Page:
        """Give the next lines of the block as a page."""
        starts, ends, log_ns = (np.empty(self.records, np.int64) for _ in range(3))
        count, split, next_at = 0, kernel(), self.at
        if split is not None:
            count, next_at = split(
                self.data, self.words, self.at, self.whole, self.log_ns, self.span_ns,
                starts, ends, log_ns,
            )  # fmt: skip
        if not count:
            count, next_at = self._read_strictly(starts, ends, log_ns, one=split is not None)
        page = Page(
            self.partition, self.offset, log_ns[:count], starts[:count], ends[:count], self.shown
        )
        self.byte += next_at - self.at
        self.at, self.offset, self.log_ns = next_at, page.next_offset, int(page.log_ns[-1])
        return page

    def _read_strictly(
        self, starts: Ints, ends: Ints, log_ns: Ints, *, one: bool
    ) -> tuple[int, int]:
        """Read lines as the kernel does, or say what is wrong with the first."""
        text = self.data[self.at : self.whole].tobytes()
        count, at, before_ns = 0, self.at, self.log_ns
        while at < self.whole and count < (1 if one else len(starts)):
            end = text.index(b"\n", at - self.at) + self.at
            digits = text[at - self.at : end - self.at].partition(b" ")[0]
            try:
                time_ns = self._log_time(digits, self.offset + count, before_ns)
            except TapeflowError:
                if count:
                    break  # first what is before
                raise
            if count and time_ns - int(log_ns[0]) > self.span_ns:
                break
            starts[count], ends[count] = min(at + len(digits) + 1, end), end
            log_ns[count] = before_ns = time_ns
            count, at = count + 1, end + 1
        return count, at

    def _log_time(self, digits: bytes, offset: int, before_ns: int) -> int:
        scale = 1000 if len(digits) == MICROSECONDS else 1
        if not digits.isdigit() or int(digits) * scale > END:
            raise TapeflowError(
                f"{self.files[self.file]}: record {offset} begins with {digits[:SHOWN]!r}, "
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
    """Where the text behind the last newline begins; 0 where there is none."""
    end = len(data)
    while end:
        begin = max(end - TAIL, 0)
        found = data[begin:end].tobytes().rfind(b"\n")
        if found >= 0:
            return begin + found + 1
        end = begin
    return 0


@cache
def kernel() -> Callable[..., tuple[int, int]] | None:
    """Import the compiled reader of lines; None without numba."""
    try:
        from tapeflow.connectors.tapes import line_kernel  # noqa: PLC0415  # late: numba takes its time
    except ImportError:
        return None
    return line_kernel.split
