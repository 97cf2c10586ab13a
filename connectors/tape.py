"""Tapes: a partition of the log as text, a line each record: `<log_ns> <frame>`.

    1723161254087896568 {"stream":"btcusdt@trade","data":{..}}
    1723161254187000000                                           <- no frame: a heartbeat

A log time of 16 digits is in microseconds, as some recorders write. Compressed by gzip or zstd
where the name ends so. Several files may hold one partition, one after the other.
"""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from connectors.board import END, START
from connectors.digits import parse_fixed
from schemas.errors import MisuseError
from schemas.market import Bytes, Ints
from schemas.pages import PADDING, Page

BLOCK = 1 << 20  # bytes read at a time
NEWLINE, SPACE = 10, 32
MICROSECONDS = 16  # digits of a log time that is not in nanoseconds


class Block(NamedTuple):
    """Lines of a tape, parsed."""

    data: Bytes
    lines_at: Ints  # where each line begins
    starts: Ints  # where its frame does
    ends: Ints
    log_ns: Ints

    def lines(self, chosen: slice) -> "Block":
        """Some of the lines."""
        return Block(self.data, *(column[chosen] for column in self[1:]))


NONE = np.empty(0, np.int64)
NO_LINES = Block(np.empty(0, np.uint8), NONE, NONE, NONE, NONE)


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
        self.block = NO_LINES  # lines read and not yet given
        self.rest = b""  # the beginning of a line
        self.stream = self._open()

    def read(self) -> Page | None:
        """The next records, or None at the end."""
        while not len(self.block.log_ns):
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
            stream = pa.input_stream(str(path), compression="detect", buffer_size=BLOCK)
            skip = self.byte
            while skip > 0 and (skipped := stream.read(min(skip, BLOCK))):
                skip -= len(skipped)
        except OSError as error:
            raise MisuseError(f"{path}: cannot be read: {error}") from None
        return stream

    def _fill(self) -> bool:
        """Read the next block of whole lines; False after the last file."""
        try:
            read = self.stream.read(BLOCK)
        except OSError as error:
            raise MisuseError(f"{self.files[self.file]}: damaged or cut off: {error}") from None
        if read:
            text = self.rest + read
            cut = text.rfind(b"\n") + 1
            self.rest = text[cut:]
            text = text[:cut]
        else:
            text, self.rest = self.rest and self.rest + b"\n", b""
        if text:
            self.block = self._parse(text)
        elif not read:
            return self._next_file()
        return True

    def _next_file(self) -> bool:
        if self.file + 1 == len(self.files):
            return False
        self.stream.close()
        self.file, self.byte = self.file + 1, 0
        self.stream = self._open()
        return True

    def _parse(self, text: bytes) -> "Block":
        data = np.frombuffer(text + bytes(PADDING), np.uint8)
        ends = np.flatnonzero(data == NEWLINE)
        starts = np.empty_like(ends)
        starts[0], starts[1:] = 0, ends[:-1] + 1
        width = len(text[: ends[0]].split(b" ", 1)[0])
        log_ns, good = parse_fixed(data, starts, width)
        after = starts + width
        good &= (after == ends) | ((after < ends) & (data[after] == SPACE))
        if width == MICROSECONDS:
            good &= log_ns <= END // 1000
            log_ns = log_ns * 1000
        for number in np.flatnonzero(~good).tolist():
            line = text[starts[number] : ends[number]]
            log_ns[number] = self._parse_time(line, self.offset + number)
            after[number] = starts[number] + len(line.split(b" ", 1)[0])
        self._check_order(log_ns)
        return Block(data, starts, np.minimum(after + 1, ends), ends, log_ns)

    def _parse_time(self, line: bytes, offset: int) -> int:
        digits = line.split(b" ", 1)[0]
        scale = 1000 if len(digits) == MICROSECONDS else 1
        if not digits.isdigit() or int(digits) * scale > END:
            raise MisuseError(
                f"{self.files[self.file]}: record {offset} begins with {digits[:30]!r}, "
                "not with a log time in ns"
            )
        return int(digits) * scale

    def _check_order(self, log_ns: Ints) -> None:
        before = np.concatenate([[self.log_ns], log_ns[:-1]])
        back = np.flatnonzero(log_ns < before)
        if len(back):
            number = int(back[0])
            raise MisuseError(
                f"{self.files[self.file]}: record {self.offset + number} has log time "
                f"{log_ns[number]}, before {before[number]} of the one before it: "
                "a tape never goes back"
            )

    def _cut(self) -> Page:
        """Give the first lines of the block as a page."""
        block = self.block
        span_end = min(int(block.log_ns[0]) + self.span_ns, END)
        count = int(np.searchsorted(block.log_ns[: self.records], span_end, "right"))
        given = block.lines(slice(None, count))
        self.block = block.lines(slice(count, None))
        self.byte += int(given.ends[-1]) + 1 - int(given.lines_at[0])
        self.offset += count
        self.log_ns = int(given.log_ns[-1])
        return Page(
            self.partition, self.offset - count, given.log_ns, given.starts, given.ends, given.data
        )
