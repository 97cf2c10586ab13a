"""Finds where in the Parquet files of a partition a record is, by their footers alone.

file 0: groups of offsets 0-131071, 131072-..      file 1: ..
                          ^ the record 140000: begin at this group
"""

import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

OFFSET = "offset"


def position_before(files: tuple[Path, ...], offset: int) -> Any:
    """Return a position of a ParquetReader at or before a record; None is the beginning.

    Of files without a column `offset` records are counted; of one without statistics, or that is
    damaged, nothing is known, and the last place before it is returned.
    """
    found: Any = None
    counted = 0  # records before the group
    for number, path in enumerate(files):
        try:
            with pq.ParquetFile(pa.OSFile(os.fsencode(path))) as file:
                metadata, names = file.metadata, file.schema_arrow.names
        except (OSError, pa.ArrowException):
            return found
        column = names.index(OFFSET) if OFFSET in names else None
        row = 0
        for group in range(metadata.num_row_groups):
            stored = metadata.row_group(group)
            first = counted if column is None else least(stored.column(column))
            if first is None or first > offset:
                return found
            found = number, row, counted if column is None else None, 0, 0, False
            row, counted = row + stored.num_rows, counted + stored.num_rows
    return found


def least(column: Any) -> int | None:
    """Return the least value of a column of a row group, where its statistics have it."""
    statistics = column.statistics
    return int(statistics.min) if statistics is not None and statistics.has_min_max else None
