"""Writes a tape of text, packed with zstd: it appears under its name when it is complete."""

import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from tapeflow.connectors.fsync import sync
from tapeflow.schemas.columns import Ints

UNFINISHED = ".unfinished"  # behind the name of a tape that is being written; before it a dot
ENDING = ".tape.zst"


class TextWriter:
    """Writes the records of a tape, in their order."""

    def __init__(self, path: Path) -> None:
        """Begin a tape. Raises OSError where it cannot be written."""
        self.path = path
        self.unfinished = path.parent / f".{path.name}{UNFINISHED}"
        self.stream: Any = pa.CompressedOutputStream(
            pa.OSFile(os.fsencode(self.unfinished), "wb"), "zstd"
        )

    def write(self, log_ns: Ints, frames: Any) -> None:
        """Append records: log times in ns, (records,), and an Arrow array of as many frames."""
        if not len(log_ns):
            return
        large = pa.large_binary()
        times = pa.array(log_ns).cast(pa.string()).cast(large)
        space, newline, nothing = (pa.scalar(each, large) for each in (b" ", b"\n", b""))
        frames = frames.cast(large)
        lines = pc.binary_join_element_wise(times, space, frames, newline, nothing)
        self.stream.write(lines.buffers()[2])

    def complete(self) -> None:
        """Close the tape and give it its name; of a tape that is there nothing is changed.

        Raises FileExistsError where one is there.
        """
        self.stream.close()
        if self.path.exists():
            raise FileExistsError(str(self.path))
        sync(self.unfinished)
        self.unfinished.rename(self.path)
        sync(self.path.parent)

    def abandon(self) -> None:
        """Leave nothing behind of a tape that is not complete."""
        self.stream.close()
        self.unfinished.unlink(missing_ok=True)
