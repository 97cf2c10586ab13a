"""Reading results: queries, and the digest that tells whether two runs gave the same answer."""

import hashlib
from pathlib import Path
from typing import Any

import duckdb
from msgspec import Struct

from tapeflow.connectors.duckdb.query_result import QueryResult, execute_exact, to_query_result
from tapeflow.schemas.arrow import columns, ddl, to_record_batch
from tapeflow.schemas.errors import TapeflowError
from tapeflow.schemas.registry import FACT_TYPES, FactType


def connect(results: Path) -> Any:
    """Open results for reading."""
    if not results.exists():
        raise TapeflowError(
            f"{results} does not exist: run `tapeflow replay` first, or name it with --results"
        )
    try:
        return duckdb.connect(str(results), read_only=True)
    except duckdb.Error as error:
        raise TapeflowError(f"{results}: {str(error).splitlines()[0]}") from None


def query(results: Path, sql: str) -> QueryResult:
    """Run a query: by the run that makes these results, if one does, else over the file."""
    if results.with_name(results.name + ".live").exists():
        from tapeflow.connectors.duckdb.flight import query_running  # noqa: PLC0415  # slow to import

        answer = query_running(results, sql)
        if answer is not None:
            return answer
    with connect(results) as con:
        try:
            return to_query_result(execute_exact(con, sql))
        except duckdb.Error as error:
            line = " ".join(str(error).split("\n\n")[0].split())
            raise TapeflowError(f"the query failed: {line}") from None


def digests(results: Path) -> dict[str, str]:
    """A digest each table of facts, in the order of schemas.topics."""
    with connect(results) as con:
        return {topic.table: table_digest(con, topic) for topic in FACT_TYPES}


def digest_of(topic: FactType, facts: list[Struct]) -> str:
    """The digest that a table of these facts would have."""
    with duckdb.connect() as con:
        con.execute(ddl(topic.table, topic.type))
        if facts:
            batch = to_record_batch(topic.type, facts)  # noqa: F841  # DuckDB reads it by its name
            con.execute(f"INSERT INTO {topic.table} BY NAME SELECT * FROM batch")
        return table_digest(con, topic)


def digest(tables: dict[str, str]) -> str:
    """One digest of all: sha256 over name and digest of each table."""
    told = "".join(f"{name} {value}\n" for name, value in tables.items())
    return hashlib.sha256(told.encode()).hexdigest()


def table_digest(con: Any, topic: FactType) -> str:
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
        raise TapeflowError(f"not results of this version: {str(error).splitlines()[0]}") from None
    total = hashlib.sha256()
    while some := rows.fetchmany(4096):
        for row in some:
            total.update(repr(row).encode())
    return total.hexdigest()
