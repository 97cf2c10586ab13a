"""CSV files: each value as the text it is, with the number of its line.

Arrow splits the lines; a line with another number of values goes to `_refuse`, and what is empty
is left out. A line is at most a block long.
"""

import csv
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from tapeflow.connectors.foreign.layout import Layout
from tapeflow.connectors.foreign.part import BadRow, Part
from tapeflow.connectors.foreign.stream import open_stream, reading
from tapeflow.schemas.columns import Ints
from tapeflow.schemas.errors import UsageError

BLOCK_BYTES = 1 << 22
FIRST_BYTES = 1 << 16  # in which the first line ends
DELIMITERS = ",;\t|"
NUMBER = re.compile(r"[-+.0-9][-+.0-9eE]*")
BOM = "\ufeff"


class CsvFile:
    """A CSV file."""

    def __init__(self, path: Path) -> None:
        """Read its first line: names of columns, or already a row.

        Raises TapeflowError where it cannot be read, UsageError where it is empty.
        """
        self.path, self.skipped, self.venue = path, 0, ""
        with reading(path), open_stream(path) as stream:
            text = stream.read(FIRST_BYTES).decode("utf-8", "replace")
        line = text.removeprefix(BOM).partition("\n")[0].rstrip("\r")
        if not line:
            raise UsageError(f"{path}: its first line is empty")
        self.delimiter = max(DELIMITERS, key=line.count)
        if not text.isprintable() and any(each < " " and each not in "\t\r\n" for each in text):
            raise UsageError(f"{path} is neither CSV, nor Parquet, nor JSON lines")
        cells = next(csv.reader([line.replace("\r", "")], delimiter=self.delimiter))
        self.has_header = not any(NUMBER.fullmatch(each.strip()) for each in cells)
        self.names = [each.strip() if self.has_header else "" for each in cells]
        self.first = [] if self.has_header else cells  # of a file without a header: its first row
        self.refused: list[BadRow] = []

    def parts(self, layout: Layout) -> Iterator[Part]:
        """Read its rows from the beginning, in parts."""
        self.refused, rows = [], 0
        delivered = 0  # of the refused
        with reading(self.path), open_stream(self.path) as stream:
            for batch in self._batches(stream, layout):
                lines = self._lines(rows, len(batch))
                rows += len(batch)
                bad, delivered = self.refused[delivered:], len(self.refused)
                columns = {
                    field: batch.column(str(number)) for field, number in layout.columns.items()
                }
                yield Part(*without_empty(columns, lines), bad)
        if self.refused[delivered:]:
            nothing = {field: pa.array([], pa.binary()) for field in layout.columns}
            yield Part(nothing, np.empty(0, np.int64), self.refused[delivered:])

    def _batches(self, stream: Any, layout: Layout) -> Iterator[Any]:
        numbers = [str(number) for number in range(len(self.names))]
        try:
            yield from pa.csv.open_csv(
                stream,
                pa.csv.ReadOptions(
                    use_threads=False,
                    block_size=BLOCK_BYTES,
                    column_names=numbers,
                    skip_rows=int(self.has_header),
                ),
                pa.csv.ParseOptions(
                    delimiter=self.delimiter,
                    ignore_empty_lines=False,
                    invalid_row_handler=self._refuse,
                ),
                pa.csv.ConvertOptions(
                    column_types=dict.fromkeys(numbers, pa.binary()),
                    include_columns=sorted({str(each) for each in layout.columns.values()}),
                    check_utf8=False,
                    null_values=[],
                ),
            )
        except pa.ArrowInvalid as error:
            if "Empty CSV file" not in str(error):
                raise

    def _refuse(self, row: Any) -> str:
        why = f"has {row.actual_columns} values, not {row.expected_columns}"
        self.refused.append(BadRow(row.number, why))
        return "skip"

    def _lines(self, begin: int, count: int) -> Ints:
        """Return the lines of rows `begin` on: those of refused lines are between them."""
        first = 1 + self.has_header
        refused = np.array([each.line for each in self.refused], np.int64)
        rows_before = refused - first - np.arange(len(refused))
        rows = np.arange(begin, begin + count)
        return first + rows + np.searchsorted(rows_before, rows, side="right")


def without_empty(columns: dict[str, Any], lines: Ints) -> tuple[dict[str, Any], Ints]:
    """Return columns without the rows of empty lines."""
    lengths = [pc.binary_length(column).to_numpy() for column in columns.values()]
    empty = ~np.any(lengths, axis=0) if lengths else np.zeros(len(lines), bool)
    if not empty.any():
        return columns, lines
    present = pa.array(~empty)
    return {field: column.filter(present) for field, column in columns.items()}, lines[~empty]
