"""What the source asks of a reader of one partition, for any kind of storage."""

from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

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


@runtime_checkable
class HasExtent(Protocol):
    """A reader that knows how much there is to read."""

    def extent(self) -> tuple[int, int]:
        """Return how much of the partition is read, and how much there is: bytes, or records."""


def extent_of(reader: object) -> tuple[int, int]:
    """Return how much of its partition a reader has read, and how much there is; else zeros."""
    return reader.extent() if isinstance(reader, HasExtent) else (0, 0)


@runtime_checkable
class HasProof(Protocol):
    """A reader that proves the position at which it was opened."""

    def prove(self) -> bool:
        """Prove it, at the end of a log; return whether that is done."""


def is_proven(reader: object) -> bool:
    """Return whether a reader at the end of its log has proven its position, where it can."""
    return reader.prove() if isinstance(reader, HasProof) else True


ReaderFactory = Callable[[Any], Reader]  # position, or None for the beginning -> reader
