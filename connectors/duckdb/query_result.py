"""Answers that lose nothing on the way: numbers as numbers, all else as DuckDB writes it."""

from typing import Any, ClassVar

import duckdb
import pyarrow as pa
from msgspec import Struct


class QueryResult(Struct, frozen=True):
    """Rows of a query: numbers, and text for all else: times to the nanosecond, exact decimals."""

    NUMBERS: ClassVar = {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "FLOAT", "DOUBLE", "BOOLEAN"}

    names: list[str]
    types: list[str]  # as DuckDB names them
    rows: list[tuple[Any, ...]]


def execute_exact(con: Any, sql: str, rows_max: int | None = None) -> Any:
    """The answer of a connection as a pyarrow.Table that knows DuckDB's types."""
    relation = con.sql(sql)
    if relation is None or not relation.columns:  # a statement without an answer
        return pa.table({})
    names, types = relation.columns, [str(kind) for kind in relation.types]
    shown = ", ".join(map(exact_column_sql, names, types))
    exact = relation.project(shown)
    table = (exact if rows_max is None else exact.limit(rows_max + 1)).to_arrow_table()
    if rows_max is not None and len(table) > rows_max:
        raise duckdb.InvalidInputException(f"more than {rows_max:,} rows: ask for fewer")
    return table.replace_schema_metadata({"types": "\n".join(types)})


def to_query_result(table: Any) -> QueryResult:
    """The same as plain rows."""
    types = (table.schema.metadata or {}).get(b"types", b"").decode().splitlines()
    rows = list(zip(*(column.to_pylist() for column in table.columns), strict=True))
    return QueryResult(table.column_names, types, rows)


def exact_column_sql(name: str, kind: str) -> str:
    """A column in the form that an answer has."""
    column = '"' + name.replace('"', '""') + '"'
    if kind in QueryResult.NUMBERS:
        return column
    text = f"{column}::VARCHAR"
    if kind.startswith("DECIMAL") and not kind.endswith(",0)"):
        text = f"rtrim(rtrim({text}, '0'), '.')"
    return f"{text} AS {column}"
