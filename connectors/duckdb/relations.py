"""Results as relations of DuckDB, which hand on as Arrow, pandas or polars.

    file   ATTACH, read-only, in a memory database of its own ──────────────────▶ relation
    run    Flight ─▶ Arrow: numbers, and text of all else ─▶ cast to DuckDB's types ─▶ relation

Each opening has a database of its own: DuckDB shares one between connections to a path, and a
results file that was replaced meanwhile would still show what it held before.
"""

from pathlib import Path
from typing import Any

import duckdb

from tapeflow.connectors.duckdb.file import (
    SEALED,
    SET_UTC,
    check_is_file,
    explain,
    sibling,
)
from tapeflow.connectors.duckdb.query import CHANGES
from tapeflow.connectors.duckdb.query_result import QueryResult, one_line, read_exact
from tapeflow.connectors.duckdb.runs import describe, describe_absent
from tapeflow.connectors.duckdb.tables import literal
from tapeflow.schemas.errors import TapeflowError

ALIAS = "results"
NAMES = """
SELECT view_name AS name, comment FROM duckdb_views()
WHERE NOT internal AND schema_name = 'main' AND database_name = current_database()
UNION ALL
SELECT table_name, comment FROM duckdb_tables()
WHERE schema_name = 'main' AND database_name = current_database()
"""  # of the tables and views that a user sees
NEEDED = {"bars", "fills", "runs"}  # of any results


class Relations:
    """Results that are open: of the run that makes them while it runs, else of the file."""

    def __init__(self, results: Path) -> None:
        """Open results.

        Raises TapeflowError where there are none, or they cannot be read.
        """
        self.results = results
        self.is_live = sibling(results, ".live").exists()
        self.notice: str | None = None  # on what the file shows, where it is no finished answer
        self.con: Any = open_memory() if self.is_live else None
        self.comments: dict[str, str | None] = {}  # of each table and view
        try:
            self.comments = dict(self.query(f"{NAMES} ORDER BY name").fetchall())
            if not self.comments.keys() >= NEEDED:
                raise TapeflowError(
                    f"{results} holds no results of Tapeflow: replay a log to make some"
                )
        except TapeflowError:
            self.close()
            raise

    def query(self, sql: str) -> Any:
        """Return the relation of one SELECT; of a run its rows as they are now.

        Raises TapeflowError for SQL that is wrong or changes something; duckdb.Error comes later,
        from the relation, for a query that fails when it is read.
        """
        if self.is_live and (table := self._fetch(sql)) is not None:
            return typed_relation(self.con, table)
        con = self._file()
        try:
            self._check_reads(con, sql)
            relation = con.sql(sql)
        except duckdb.Error as error:
            raise TapeflowError(f"the query failed: {one_line(str(error))}") from None
        if relation is None:
            raise TapeflowError(f"the query failed: {sql!r} returns no rows")
        return relation

    def read(self, sql: str) -> QueryResult:
        """Return the rows of a query with exact values, as `tapeflow query` does.

        Raises TapeflowError for a query that fails.
        """
        if self.is_live:
            from tapeflow.connectors.duckdb.flight import query_running  # noqa: PLC0415  # slow

            if (result := query_running(self.results, sql)) is not None:
                return result
        try:
            return read_exact(self._file(), sql)
        except duckdb.Error as error:
            raise TapeflowError(f"the query failed: {one_line(str(error))}") from None

    def close(self) -> None:
        """Close the file; relations of it are of no more use."""
        if self.con is not None:
            self.con.close()

    def _fetch(self, sql: str) -> Any:
        from tapeflow.connectors.duckdb.flight import fetch_running  # noqa: PLC0415  # slow

        return fetch_running(self.results, sql)

    def _file(self) -> Any:
        """Return the connection to the file; the run, if there was one, has ended."""
        if self.is_live or self.con is None:
            con = attach(self.results)
            self.close()
            self.con, self.is_live = con, False
            self.notice = describe(self.results, con)
        return self.con

    def _check_reads(self, con: Any, sql: str) -> None:
        statements = con.extract_statements(sql)
        if len(statements) != 1:
            raise TapeflowError(f"the query failed: one SELECT at a time, not {len(statements)}")
        if CHANGES & {statement.type for statement in statements}:
            raise TapeflowError(f"the query failed: {self.results} is read-only")


def open_memory() -> Any:
    """Open a database in memory, in UTC, that nothing of the host can be read from."""
    con = duckdb.connect(":memory:")
    seal(con)
    return con


def attach(results: Path) -> Any:
    """Open a results file for reading, in a sealed database of its own.

    Raises TapeflowError where it is absent, or cannot be opened.
    """
    if not results.exists():
        raise TapeflowError(describe_absent(results))
    check_is_file(results)
    con = duckdb.connect(":memory:")
    try:
        con.execute(f"ATTACH {literal(str(results))} AS {ALIAS} (READ_ONLY); USE {ALIAS}")
        seal(con)
    except duckdb.Error as error:
        con.close()
        raise TapeflowError(explain(results, error)) from None
    return con


def seal(con: Any) -> None:
    """Close a connection to all but what it has attached, for good."""
    con.execute("SET temp_directory = ''")
    for name, value in SEALED.items():
        con.execute(f"SET {name} = {value}")
    con.execute(f"{SET_UTC}; SET lock_configuration = true")


def typed_relation(con: Any, table: Any) -> Any:
    """Return a table of `execute_exact` as a relation with the types of the query's columns."""
    relation = con.from_arrow(table)
    types = (table.schema.metadata or {}).get(b"types", b"").decode().splitlines()
    if not types:
        return relation
    return relation.project(", ".join(map(cast_sql, table.column_names, types)))


def cast_sql(name: str, sql_type: str) -> str:
    """Return the SQL that makes a column's type of its text again.

    >>> cast_sql("n", "BIGINT"), cast_sql("time", "TIMESTAMP_NS")
    ('"n"', '"time"::TIMESTAMP_NS AS "time"')
    """
    column = '"' + name.replace('"', '""') + '"'
    if sql_type in QueryResult.NUMBERS:
        return column
    return f"{column}::{sql_type} AS {column}"
