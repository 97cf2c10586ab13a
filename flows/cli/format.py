"""The result of a query as text: a table for people, CSV and JSON for programs."""

import csv
import io
import json
import math
from collections.abc import Callable
from typing import Any

from tapeflow.connectors.duckdb.query_result import QueryResult

CELL_WIDTH_MAX = 60  # characters, in a table


def to_table(result: QueryResult) -> str:
    """Return aligned columns, numbers to the right."""
    rows = [[cell_text(cell)[:CELL_WIDTH_MAX] for cell in row] for row in result.rows]
    numeric = [kind in QueryResult.NUMBERS or kind.startswith("DECIMAL") for kind in result.types]
    widths = [max(map(len, column)) for column in zip(result.names, *rows, strict=True)]

    def line(cells: list[str]) -> str:
        pairs = zip(cells, widths, numeric, strict=True)
        return "  ".join(
            cell.rjust(w) if right else cell.ljust(w) for cell, w, right in pairs
        ).rstrip()

    rule = "  ".join("-" * width for width in widths)
    count = f"({len(rows):,} row{'' if len(rows) == 1 else 's'})"
    return "\n".join([line(result.names), rule, *map(line, rows), count]) + "\n"


def cell_text(cell: Any) -> str:
    r"""Return a cell of a table; NULL is empty, what a terminal would obey is escaped.

    >>> print(cell_text("two\nlines"))
    two\nlines
    """
    text = "" if cell is None else str(cell)
    return text if text.isprintable() else "".join(map(escape, text))


def escape(character: str) -> str:
    """Return a character as it is, or as Python writes it where it cannot be printed."""
    return character if character.isprintable() else repr(character)[1:-1]


def to_csv(result: QueryResult) -> str:
    """Return CSV with a header."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(result.names)
    writer.writerows(result.rows)
    return out.getvalue()


def to_json(result: QueryResult) -> str:
    """Return a list of objects; decimals and times are text, as JSON has no exact ones."""
    objects = [dict(zip(result.names, map(json_value, row), strict=True)) for row in result.rows]
    return json.dumps(objects) + "\n"


def json_value(cell: Any) -> Any:
    """Return a cell for JSON, which has no infinity and no NaN: they are null."""
    return None if isinstance(cell, float) and not math.isfinite(cell) else cell


FORMATS: dict[str, Callable[[QueryResult], str]] = {
    "table": to_table,
    "csv": to_csv,
    "json": to_json,
}
