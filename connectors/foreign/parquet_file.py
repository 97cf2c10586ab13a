"""Parquet files of trades or quotes, a row group's rows at a time.

A price that is a float has the shortest text that is read as this float.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tapeflow.connectors.foreign.layout import Layout
from tapeflow.connectors.foreign.part import Part
from tapeflow.connectors.foreign.stream import reading
from tapeflow.schemas.errors import UsageError

PART_ROWS = 1 << 16


class ParquetFile:
    """A Parquet file."""

    def __init__(self, path: Path) -> None:
        """Read its schema.

        Raises TapeflowError where it cannot be read, UsageError where it is a tape.
        """
        self.path, self.skipped, self.venue = path, 0, ""
        self.first: list[str] = []
        with reading(path), pq.ParquetFile(pa.OSFile(os.fsencode(path))) as file:
            self.names = file.schema_arrow.names
        if {"log_ns", "frame"} <= set(self.names):
            raise UsageError(f"{path} is a tape: tapeflow replay reads it as it is")

    def parts(self, layout: Layout) -> Iterator[Part]:
        """Read its rows from the beginning, in parts."""
        names = {field: self.names[number] for field, number in layout.columns.items()}
        first = 1
        with reading(self.path), pq.ParquetFile(pa.OSFile(os.fsencode(self.path))) as file:
            for batch in file.iter_batches(PART_ROWS, columns=[*dict.fromkeys(names.values())]):
                lines = np.arange(first, first + len(batch))
                first += len(batch)
                yield Part({field: batch.column(name) for field, name in names.items()}, lines, [])
