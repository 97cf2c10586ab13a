"""Pages of a reader up to its end, and the records that something wants of them."""

import time
from collections.abc import Iterator
from typing import Protocol

from tapeflow.connectors.source.reader import Reader
from tapeflow.schemas.batches import Page
from tapeflow.schemas.errors import TapeflowError

PAUSE_S, SILENCE_S = 0.002, 30.0  # between two looks at a broker; within which it has records


class Wanted(Protocol):
    """Consecutive records that something is made of."""

    begin: int  # offset of the first one
    end: int  # offset of the last one
    time_ns: int | None  # about when they were written, where that is known
    is_exact: bool  # it is the log time of the last one

    def take(self, page: Page) -> None:
        """Take some of these records, in their order."""


def pages_of(reader: Reader) -> Iterator[Page]:
    """Yield the pages of a reader up to its end, and close it.

    Raises TapeflowError where a broker gives none for SILENCE_S.
    """
    try:
        waiting_since = time.monotonic()
        while not reader.ended:
            page = reader.read()
            if page is not None:
                yield page
                waiting_since = time.monotonic()
            elif time.monotonic() - waiting_since > SILENCE_S:
                raise TapeflowError(f"{reader} gave no records for {SILENCE_S:g} s")
            elif not reader.ended:
                time.sleep(PAUSE_S)
    finally:
        reader.close()
