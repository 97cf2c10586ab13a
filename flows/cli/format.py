"""An answer to a query as text: a table for people, CSV and JSON for programs."""

import csv
import io
import json
import math
from collections.abc import Callable
from typing import Any

from tapeflow.connectors.duckdb.query_result import QueryResult

WIDEST = 60  # characters of a cell in a table


def table(answer: QueryResult) -> str:
    """Aligned columns, numbers to the right."""
    rows = [[shown(cell)[:WIDEST] for cell in row] for row in answer.rows]
    numeric = [kind in QueryResult.NUMBERS or kind.startswith("DECIMAL") for kind in answer.types]
    widths = [max(map(len, column)) for column in zip(answer.names, *rows, strict=True)]

    def line(cells: list[str]) -> str:
        pairs = zip(cells, widths, numeric, strict=True)
        return "  ".join(
            cell.rjust(w) if right else cell.ljust(w) for cell, w, right in pairs
        ).rstrip()

    rule = "  ".join("-" * width for width in widths)
    count = f"({len(rows):,} row{'' if len(rows) == 1 else 's'})"
    return "\n".join([line(answer.names), rule, *map(line, rows), count]) + "\n"


def shown(cell: Any) -> str:
    """A cell as a person reads it."""
    return "" if cell is None else str(cell)


def comma_separated(answer: QueryResult) -> str:
    """CSV with a header."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(answer.names)
    writer.writerows(answer.rows)
    return out.getvalue()


def as_json(answer: QueryResult) -> str:
    """A list of objects; decimals and times are text, as JSON has no exact ones."""
    objects = [dict(zip(answer.names, map(json_value, row), strict=True)) for row in answer.rows]
    return json.dumps(objects) + "\n"


def json_value(cell: Any) -> Any:
    """What JSON can't say is null."""
    return None if isinstance(cell, float) and not math.isfinite(cell) else cell


FORMATS: dict[str, Callable[[QueryResult], str]] = {
    "table": table,
    "csv": comma_separated,
    "json": as_json,
}
