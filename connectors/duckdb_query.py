"""Reading results: queries, and the digest that tells whether two runs gave the same answer."""

import hashlib
from pathlib import Path
from typing import Any, ClassVar

import duckdb
from msgspec import Struct

from schemas.errors import MisuseError
from schemas.tables import columns
from schemas.topics import TOPICS, Topic


def connect(results: Path) -> Any:
    """Open results for reading."""
    if not results.exists():
        raise MisuseError(
            f"{results} does not exist: run `tapeflow replay` first, or name it with --results"
        )
    try:
        return duckdb.connect(str(results), read_only=True)
    except duckdb.Error as error:
        raise MisuseError(f"{results}: {str(error).splitlines()[0]}") from None


class Answer(Struct, frozen=True):
    """Rows of a query. Numbers are numbers; all else is text as DuckDB writes it, exact."""

    NUMBERS: ClassVar = {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "FLOAT", "DOUBLE", "BOOLEAN"}

    names: list[str]
    types: list[str]
    rows: list[tuple[Any, ...]]


def ask(results: Path, sql: str) -> Answer | None:
    """Run a query; None where it is a statement without an answer."""
    with connect(results) as con:
        try:
            relation = con.sql(sql)
            if relation is None:
                return None
            names, types = relation.columns, [str(kind) for kind in relation.types]
            rows = relation.project(", ".join(map(told, names, types))).fetchall() if names else []
        except duckdb.Error as error:
            line = " ".join(str(error).split("\n\n")[0].split())
            raise MisuseError(f"the query failed: {line}") from None
        return Answer(names, types, rows)


def told(name: str, kind: str) -> str:
    """A column in the exact form that an answer has."""
    column = '"' + name.replace('"', '""') + '"'
    if kind in Answer.NUMBERS:
        return column
    text = f"{column}::VARCHAR"
    if kind.startswith("DECIMAL") and not kind.endswith(",0)"):
        text = f"rtrim(rtrim({text}, '0'), '.')"
    return f"{text} AS {column}"


def digests(results: Path) -> dict[str, str]:
    """A digest each table of facts, in the order of schemas.topics."""
    with connect(results) as con:
        return {topic.table: table_digest(con, topic) for topic in TOPICS}


def digest(tables: dict[str, str]) -> str:
    """One digest of all: sha256 over name and digest of each table."""
    told = "".join(f"{name} {value}\n" for name, value in tables.items())
    return hashlib.sha256(told.encode()).hexdigest()


def table_digest(con: Any, topic: Topic) -> str:
    """sha256 over all facts of a table in log order, every field by its exact text."""
    table = columns(topic.type)
    kinds = {column.field: column for column in table}
    shown = ", ".join(
        f'epoch_ns("{column.name}")' if column.sql == "TIMESTAMP_NS" else f'"{column.name}"'
        for column in table
    )
    order = ", ".join(f'"{kinds[field].name}"' for field in topic.order)
    try:
        rows = con.execute(f"SELECT {shown} FROM {topic.table} ORDER BY {order}")
    except duckdb.Error as error:
        raise MisuseError(f"not results of this version: {str(error).splitlines()[0]}") from None
    total = hashlib.sha256()
    while some := rows.fetchmany(4096):
        for row in some:
            total.update(repr(row).encode())
    return total.hexdigest()
