"""What the source asks of a reader of one partition, for any kind of storage."""

from collections.abc import Callable
from typing import Any, Protocol

from tapeflow.schemas.batches import Page


class Reader(Protocol):
    """One partition of a log, read forward."""

    @property
    def ended(self) -> bool:
        """Whether no record will ever come after those read."""

    def read(self) -> Page | None:
        """Return the next records, or None if there are none now."""

    def position(self) -> Any:
        """Return where to resume after the last page read: a plain value."""

    def close(self) -> None:
        """Close files and connections."""


def extent_of(reader: object) -> tuple[int, int]:
    """Return how much of a partition is read, and how much there is: bytes, or records.

    A reader that knows it has a method `extent`; of others both are zero. Asked for every page, so
    not by a protocol: `isinstance` of one takes 20 us.
    """
    extent: Callable[[], tuple[int, int]] | None = getattr(reader, "extent", None)
    return (0, 0) if extent is None else extent()


def is_proven(reader: object) -> bool:
    """Return whether a reader at the end of its log has proven the position it was opened at.

    One that can has a method `prove`, which tries; of others there is nothing to be proven.
    """
    prove: Callable[[], bool] | None = getattr(reader, "prove", None)
    return prove is None or prove()


ReaderFactory = Callable[[Any], Reader]  # position, or None for the beginning -> reader
