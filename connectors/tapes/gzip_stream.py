"""Reads gzip files: with ISA-L, twice as fast as zlib, where that is installed.

    file    |header|deflate ...|checksum|header|deflate ...|checksum|
    chunks  |-------|-------|-------|-------|-------|-------|-------|
    member  |---------------------------|---------------------------| the file may end here

What is damaged or cut off is read by zlib, with ISA-L and without: all text before the damage is
there, none behind it, and the reason is zlib's.
"""

import zlib
from importlib.util import find_spec
from typing import Any

HAS_ISAL = find_spec("isal") is not None
GZIP = zlib.MAX_WBITS | 16
CHUNK_BYTES = 1 << 16  # compressed, read at a time
TEXT_BYTES = 1 << 18  # decompressed at a time: it stays in the processor's cache
FLAGS, UNKNOWN_FLAGS = 3, 0xE2  # byte of a header; what zlib checks, and ISA-L does not
CUT_OFF = "Truncated compressed stream"


def load_isal() -> Any:
    """Return the module of ISA-L, None where it is not installed; it takes 2 ms to import."""
    if not HAS_ISAL:
        return None
    from isal import isal_zlib  # noqa: PLC0415  # late: most tapes are no gzip files

    return isal_zlib


class DamagedError(Exception):
    """No more text can be read; the reason is its text."""


class GzipStream:
    """The text of a gzip file, read forward."""

    def __init__(self, file: Any, *, fast: bool) -> None:
        """Read from a binary file; `fast` by ISA-L, which does not find the exact damage."""
        self.file, self.fast = file, fast
        self.library = load_isal() if fast else zlib
        self.chunk = b""  # of the file, not decompressed yet
        self.member: Any = None  # its decompressor; None between two of them
        self.damage = ""  # why there is no more text

    def readinto(self, block: memoryview) -> int:
        """Fill a block as far as there is text; return how many bytes. 0 is the end.

        Raises DamagedError where nothing can be read, and that is not the end.
        """
        filled = 0
        while filled < len(block) and (part := self._next_part(len(block) - filled)):
            block[filled : filled + len(part)] = part
            filled += len(part)
        if self.damage and (self.fast or not filled):
            raise DamagedError(self.damage)
        return filled

    def read(self, bytes_max: int) -> bytes:
        """Return some of the next bytes of text; none at the end. DamagedError as `readinto`."""
        part = self._next_part(bytes_max)
        if self.damage and not part:
            raise DamagedError(self.damage)
        return part

    def close(self) -> None:
        """Close the file."""
        self.file.close()

    def _next_part(self, bytes_max: int) -> bytes:
        """Return some of the next bytes of text; none at the end and where it is damaged."""
        part = b""
        while not part and not self.damage:
            if self.member is not None and self.member.eof:
                self.chunk, self.member = self.member.unused_data, None
            if self.member is None and not self._begin_member():
                break
            self.chunk = self.chunk or self.file.read(CHUNK_BYTES)
            at_end = not self.chunk
            part = self._decompress(min(bytes_max, TEXT_BYTES))
            if at_end and not part and not self.member.eof:
                self.damage = self.damage or CUT_OFF
        return part

    def _begin_member(self) -> bool:
        """Begin to decompress the next member; False at the end of the file."""
        while len(self.chunk) <= FLAGS and (more := self.file.read(CHUNK_BYTES)):
            self.chunk += more
        if self.fast and len(self.chunk) > FLAGS and self.chunk[FLAGS] & UNKNOWN_FLAGS:
            self.damage = "unknown flags"
        if self.chunk and not self.damage:
            self.member = self.library.decompressobj(GZIP)
        return self.member is not None

    def _decompress(self, bytes_max: int) -> bytes:
        """Decompress some of the chunk, up to the damage if there is any."""
        before = None if self.fast else self.member.copy()
        try:
            part: bytes = self.member.decompress(self.chunk, bytes_max)
        except self.library.error as error:
            self.damage = f"zlib inflate failed: {str(error).partition(': ')[2]}"
            return b"" if before is None else _up_to_damage(before, self.chunk, bytes_max)
        self.chunk = self.member.unconsumed_tail
        return part


def _up_to_damage(member: Any, chunk: bytes, bytes_max: int) -> bytes:
    """Decompress a chunk byte by byte up to the one that fails: zlib drops what it had with it."""
    text = b""
    for at in range(len(chunk)):
        try:
            text += member.decompress(chunk[at : at + 1], bytes_max - len(text))
        except zlib.error:
            break
        if len(text) == bytes_max:
            break
    return text
