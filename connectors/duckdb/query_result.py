"""Query results that lose nothing: numbers as numbers, other values as DuckDB's text of them.

    BIGINT, DOUBLE, ...              --> number
    TIMESTAMP_NS, DECIMAL, UUID, ... --VARCHAR--> text

Python's datetime has no nanoseconds, and DECIMAL(38,12) prints all its trailing zeros.
"""

from typing import Any, ClassVar

from msgspec import Struct


class QueryResult(Struct, frozen=True):
    """Rows of a query: numbers, and text for times, decimals, and all other types."""

    NUMBERS: ClassVar = {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "FLOAT", "DOUBLE", "BOOLEAN"}

    names: list[str]
    types: list[str]  # as DuckDB names them
    rows: list[tuple[Any, ...]]


def read_exact(con: Any, sql: str) -> QueryResult:
    """Run a query and return its rows.

    Raises duckdb.Error for a failed query.
    """
    relation = con.sql(sql)
    if relation is None or not relation.columns:  # a statement without a result
        return QueryResult([], [], [])
    exact = exact_relation(relation)
    return QueryResult(exact.columns, types_of(relation), exact.fetchall())


def types_of(relation: Any) -> list[str]:
    """Return the types of a relation's columns, as DuckDB names them."""
    return [str(sql_type) for sql_type in relation.types]


def exact_relation(relation: Any) -> Any:
    """Return the relation with its values as numbers and text."""
    columns = map(exact_column_sql, relation.columns, types_of(relation))
    return relation.project(", ".join(columns))


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
