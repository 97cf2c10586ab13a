"""A part of a foreign file: its columns by field, and the lines that are no rows."""

from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol

from tapeflow.connectors.foreign.layout import Layout
from tapeflow.schemas.columns import Ints


class BadRow(NamedTuple):
    """A row that cannot be imported."""

    line: int  # of the file, from 1 on; of Parquet its row
    why: str


class Part(NamedTuple):
    """Some rows of a file, in its order."""

    columns: dict[str, Any]  # Arrow arrays by field, of one length
    lines: Ints  # (rows,) of the file
    bad: list[BadRow]  # lines among them, or before them, that are no rows


class ForeignFile(Protocol):
    """A foreign file that was opened: its columns are known, its rows are to be read."""

    names: list[str]  # of its columns; "" where it has no header
    first: list[str]  # where it has no header: the values of its first row
    venue: str  # where its contents say it
    skipped: int  # lines read so far that are known to be no rows

    def parts(self, layout: Layout) -> Iterator[Part]:
        """Read its rows from the beginning, in parts."""
        ...
