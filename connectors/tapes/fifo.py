"""A named pipe as a tape: read until whatever writes it has closed it.

zstd -dc a.tape.zst > binance-0.tape   ──pipe──▶   tapeflow replay binance-0.tape
"""

import io
import os
import select
from pathlib import Path
from typing import Any

from tapeflow.connectors.source.source import STOP_REQUESTED
from tapeflow.schemas.errors import TapeflowError

LOOK_MS = 100  # at most between two checks for a stop


class Pipe(io.RawIOBase):
    """The reading end of a named pipe; ends when its writer, once there, has gone."""

    def __init__(self, path: Path) -> None:
        """Open it; a writer may come later."""
        self.path = path
        self.descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        self.poll = select.poll()
        self.poll.register(self.descriptor, select.POLLIN)

    def readable(self) -> bool:
        """Return True: it is for reading."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read what there is; wait where there is nothing yet.

        Raises TapeflowError where the run is stopped meanwhile.
        """
        while not self.poll.poll(LOOK_MS):
            if STOP_REQUESTED.is_set():
                raise TapeflowError(f"{self.path}: stopped while nothing was written to it")
        return os.readv(self.descriptor, [buffer])

    def close(self) -> None:
        """Close the reading end."""
        if not self.closed:
            os.close(self.descriptor)
        super().close()
