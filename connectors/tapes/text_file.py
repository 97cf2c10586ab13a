"""One text file of a tape, plain or compressed: its bytes up to where it is damaged or cut off.

    gzip, cut off      |=== block ===|=== block ===|== what is left ==x
                                                                      ^ damage says why

A stream gives up a whole block when it cannot fill it. So a file that fails is opened again at that
block and read in small steps: all bytes before the damage are there, none behind it. gzip has a
reader of its own (gzip_stream.py).
"""

import os
from pathlib import Path
from typing import Any

import pyarrow as pa

from tapeflow.connectors.tapes.fifo import Pipe
from tapeflow.connectors.tapes.gzip_stream import HAS_ISAL, DamagedError, GzipStream
from tapeflow.schemas.columns import Bytes
from tapeflow.schemas.errors import TapeflowError

LONG_WINDOW = "its zstd window is over 128 MiB (zstd --long): pack it again without --long"
SKIP_BYTES = 1 << 22  # at a time
STEPS = 1 << 12, 1  # bytes read at a time, to come close to the damage and then up to it
SEARCH_BYTES = 1 << 12  # searched at a time for the last newline
CODECS = {".gz": "gzip", ".zst": "zstd"}


class TextFile:
    """The bytes of a file's text, read forward."""

    def __init__(self, path: Path, byte: int) -> None:
        """Open a file at a byte of its text.

        Raises TapeflowError where it cannot be opened, or is damaged before that byte.
        """
        self.path, self.byte = path, byte
        self.damage = ""  # why nothing can be read from `byte` on
        self.source: Any  # which tells how much of it is read; None of a pipe
        self.stream = self._open()

    def _open(self, *, exact: bool = False) -> Any:
        """Open the file at `byte`; `exact` finds the place where a gzip file is damaged."""
        try:
            stream = self._stream(exact=exact)
            skip = self.byte
            while skip > 0 and (skipped := stream.read(min(skip, SKIP_BYTES))):
                skip -= len(skipped)
        except DamagedError as error:
            if not exact:
                return self._open(exact=True)
            raise TapeflowError(f"{self.path}: cannot be read: {error}") from None
        except OSError as error:
            raise TapeflowError(f"{self.path}: cannot be read: {reason_of(error)}") from None
        return stream

    def _stream(self, *, exact: bool) -> Any:
        codec, is_pipe = CODECS.get(self.path.suffix), self.path.is_fifo()
        file = Pipe(self.path) if is_pipe else pa.OSFile(os.fsencode(self.path))
        self.source = None if is_pipe else file
        if codec == "gzip":
            return GzipStream(file, fast=HAS_ISAL and not exact and not is_pipe)
        source = pa.PythonFile(file) if is_pipe else file
        return pa.CompressedInputStream(source, codec) if codec else source

    def readinto(self, block: memoryview) -> int:
        """Fill a block as far as there is text; return how many bytes. 0 is the end, or `damage`.

        Raises TapeflowError where the file is sound, but needs more memory than we give it.
        """
        if self.damage:
            return 0
        count = 0
        try:
            count = self.stream.readinto(block)
        except DamagedError as error:
            if self.stream.fast:
                self.stream.close()
                self.stream = self._open(exact=True)
                return self.readinto(block)
            self.damage = f"damaged or cut off: {error}"
        except OSError as error:
            reason = str(error).partition("\n")[0]
            if "too much memory" in reason:
                raise TapeflowError(f"{self.path}: {LONG_WINDOW}") from None
            count = self._read_to_damage(block)
            self.damage = f"damaged or cut off: {reason}"
        else:
            self.byte += count
        return int(count)

    def _read_to_damage(self, block: memoryview) -> int:
        """Fill a block up to the damage; return how many bytes were read."""
        filled = 0
        for step in STEPS if self.source else ():  # a pipe cannot be read again
            self.stream.close()
            self.stream = self._open()
            try:
                while part := self.stream.read(min(step, len(block) - filled)):
                    block[filled : filled + len(part)] = part
                    filled, self.byte = filled + len(part), self.byte + len(part)
            except OSError:
                pass
        return filled

    def bytes_read(self) -> int:
        """Return how many bytes of the file were read; 0 of a pipe."""
        return int(self.source.tell()) if self.source else 0

    def close(self) -> None:
        """Close the file."""
        self.stream.close()


def reason_of(error: OSError) -> str:
    """Return why a file cannot be opened, without its path."""
    return os.strerror(error.errno) if error.errno else str(error).partition("\n")[0]


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
