"""Reads rows of results in many small queries: of the run that makes them, else of the file."""

from pathlib import Path
from typing import Any

import duckdb

from tapeflow.connectors.duckdb.file import sibling
from tapeflow.connectors.duckdb.query import connect
from tapeflow.connectors.duckdb.query_result import QueryResult, one_line, read_exact
from tapeflow.connectors.duckdb.tables import literal
from tapeflow.schemas.errors import TapeflowError
from tapeflow.schemas.notify import Notify


class ResultsReader:
    """Results that are open for reading; values are those of `tapeflow query`."""

    def __init__(self, results: Path, notify: Notify = lambda _: None) -> None:
        """Open results; `notify` gets a line where they are not a finished answer alone."""
        self.results, self.notify = results, notify
        self.is_live = sibling(results, ".live").exists()
        self.con: Any = None
        self.names = {
            str(name) for (name,) in self._read(
                "SELECT view_name FROM duckdb_views() WHERE NOT internal "
                "UNION ALL SELECT table_name FROM duckdb_tables()"
            ).rows
        }  # fmt: skip

    def rows(self, sql: str) -> list[dict[str, Any]]:
        """Return the rows of a query, by column.

        Raises TapeflowError for a query that fails.
        """
        result = self._read(sql)
        return [dict(zip(result.names, row, strict=True)) for row in result.rows]

    def where(self, table: str, extra: str = "", **equal: str | int) -> list[dict[str, Any]]:
        """Return the rows of a table whose columns have these values; none of a missing table.

        `extra` is SQL behind the conditions.
        """
        if table not in self.names:
            return []
        conditions = " AND ".join(f'"{name}" = {to_sql(value)}' for name, value in equal.items())
        return self.rows(f"SELECT * FROM {table} WHERE {conditions or 'true'} {extra}")

    def close(self) -> None:
        """Close the file."""
        if self.con is not None:
            self.con.close()

    def _read(self, sql: str) -> QueryResult:
        if self.is_live:
            from tapeflow.connectors.duckdb.flight import query_running  # noqa: PLC0415  # slow

            if (result := query_running(self.results, sql)) is not None:
                return result
            self.is_live = False  # the run has ended
        if self.con is None:
            self.con = connect(self.results, self.notify)
        try:
            return read_exact(self.con, sql)
        except duckdb.Error as error:
            raise TapeflowError(f"the query failed: {one_line(str(error))}") from None


def to_sql(value: str | int) -> str:
    """Return a value as a literal of SQL.

    >>> to_sql("it's"), to_sql(7)
    ("'it''s'", '7')
    """
    return str(value) if isinstance(value, int) else literal(value)
