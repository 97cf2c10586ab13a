"""Sorts the rows of a file that is not in the order of time on the disk: memory holds a part."""

import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import mkdtemp

import duckdb
import numpy as np
import pyarrow as pa

from tapeflow.connectors.foreign.rows import Records

MEMORY = "512MB"
PART_ROWS = 1 << 16


def sort_records(parts: Iterable[Records], folder: Path) -> Iterator[Records]:
    """Yield the records of all parts by time, those of one time by their ids.

    `folder` holds the rows while they are sorted. What is said of bad rows and symbols comes with
    the first part.
    """
    place = Path(mkdtemp(prefix=".sorting-", dir=folder))
    try:
        with duckdb.connect(str(place / "rows.duckdb")) as con:
            con.execute(f"SET memory_limit = '{MEMORY}'")
            con.execute("CREATE TABLE rows (written_ns BIGINT, tie BIGINT, frame BLOB)")
            bad, symbols = [], set()
            for each in parts:
                bad += each.bad
                symbols |= each.symbols
                columns = {"written_ns": each.written_ns, "tie": each.ties, "frame": each.frames}
                part_rows = pa.table(columns)  # noqa: F841  # DuckDB finds it by its name
                con.execute("INSERT INTO rows FROM part_rows")
            ordered = con.sql("FROM rows ORDER BY written_ns, tie")
            for batch in ordered.to_arrow_reader(PART_ROWS):
                times, ties, frames = batch.columns
                yield Records(times.to_numpy(), ties.to_numpy(), frames, bad, symbols)
                bad, symbols = [], set()
            if bad:
                nothing = np.empty(0, np.int64)
                yield Records(nothing, nothing, pa.array([], pa.binary()), bad, symbols)
    finally:
        shutil.rmtree(place, ignore_errors=True)
