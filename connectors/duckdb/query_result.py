"""Query results that lose nothing: numbers as numbers, other values as DuckDB's text of them.

    BIGINT, DOUBLE, ...              --> Arrow --> number
    TIMESTAMP_NS, DECIMAL, UUID, ... --VARCHAR--> Arrow --> text

Python's datetime has no nanoseconds, and DECIMAL(38,12) as Arrow prints all its trailing zeros.
"""

from typing import Any, ClassVar

import duckdb
import pyarrow as pa
from msgspec import Struct


class QueryResult(Struct, frozen=True):
    """Rows of a query: numbers, and text for times, decimals, and all other types."""

    NUMBERS: ClassVar = {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "FLOAT", "DOUBLE", "BOOLEAN"}

    names: list[str]
    types: list[str]  # as DuckDB names them
    rows: list[tuple[Any, ...]]


def execute_exact(con: Any, sql: str, rows_max: int | None = None) -> Any:
    """Run a query and return a pyarrow.Table with DuckDB's types in its metadata.

    Raises duckdb.Error for a failed query, and for more than `rows_max` rows.
    """
    relation = con.sql(sql)
    if relation is None or not relation.columns:  # a statement without a result
        return pa.table({})
    names, types = relation.columns, [str(sql_type) for sql_type in relation.types]
    exact = relation.project(", ".join(map(exact_column_sql, names, types)))
    table = (exact if rows_max is None else exact.limit(rows_max + 1)).to_arrow_table()
    if rows_max is not None and len(table) > rows_max:
        raise duckdb.InvalidInputException(f"more than {rows_max:,} rows: ask for fewer")
    return table.replace_schema_metadata({"types": "\n".join(types)})


def to_query_result(table: Any) -> QueryResult:
    """Convert a table of `execute_exact` to plain rows."""
    types = (table.schema.metadata or {}).get(b"types", b"").decode().splitlines()
    rows = list(zip(*(column.to_pylist() for column in table.columns), strict=True))
    return QueryResult(table.column_names, types, rows)


def exact_column_sql(name: str, sql_type: str) -> str:
    """Return the SQL that selects a column without loss.

    >>> exact_column_sql("n", "BIGINT"), exact_column_sql("time", "TIMESTAMP_NS")
    ('"n"', '"time"::VARCHAR AS "time"')
    """
    column = '"' + name.replace('"', '""') + '"'
    if sql_type in QueryResult.NUMBERS:
        return column
    text = f"{column}::VARCHAR"
    if sql_type.startswith("DECIMAL") and not sql_type.endswith(",0)"):
        text = f"rtrim(rtrim({text}, '0'), '.')"
    return f"{text} AS {column}"


def one_line(error: str) -> str:
    """Return the first line of a DuckDB error, without its excerpt of the SQL and its details."""
    return " ".join(error.split("\n\n", maxsplit=1)[0].split(". Detail:", maxsplit=1)[0].split())
