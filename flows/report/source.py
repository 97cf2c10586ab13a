"""The results that a report is made of: queries that return rows, as objects or as tuples."""

import json
from functools import cached_property
from pathlib import Path
from typing import Any

from tapeflow.connectors.duckdb.query import digest, table_digest
from tapeflow.connectors.duckdb.reading import ResultsReader
from tapeflow.connectors.duckdb.tables import INTERNAL
from tapeflow.schemas.errors import TapeflowError
from tapeflow.schemas.notify import Notify
from tapeflow.schemas.registry import FACT_TYPES

Rows = list[dict[str, Any]]


class Source(ResultsReader):
    """Results that are open for a report; money and times of rows are text, as in `query`."""

    def __init__(self, results: Path, notify: Notify = lambda _: None) -> None:
        """Open results of a run that has ended, or of one that runs.

        Raises TapeflowError where there are none.
        """
        self.lines: list[str] = []  # on what the file shows, where it is no finished answer
        self.notify_all = notify
        super().__init__(results, self._notify)
        if not {"bars", "fills", "runs"} <= self.names:
            self.close()
            raise TapeflowError(
                f"{results} holds no results of Tapeflow: replay a log to make some"
            )
        self.was_live = self.is_live

    def tuples(self, sql: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query.

        Raises TapeflowError for a query that fails.
        """
        return self._read(sql).rows

    def one(self, sql: str) -> dict[str, Any]:
        """Return the only row of a query."""
        (row,) = self.rows(sql)
        return row

    def count(self, table: str) -> int:
        """Return the number of rows of a table or view; 0 of a missing one."""
        if table not in self.names:
            return 0
        return int(self.tuples(f"SELECT count(*) FROM {table}")[0][0])

    @cached_property
    def runs(self) -> Rows:
        """The runs that made the results, the first one first."""
        return self.rows("SELECT * FROM runs ORDER BY id")

    @cached_property
    def job(self) -> dict[str, Any]:
        """The job of the last start, as stored."""
        stored = json.loads(self.runs[-1]["job"]) if self.runs else {}
        return stored if isinstance(stored, dict) else {}

    @cached_property
    def digest(self) -> str | None:
        """The digest of all facts; None while a run makes them."""
        if self.was_live:
            return None
        schema = f"{INTERNAL}."
        return digest({fact.table: table_digest(self.con, fact, schema) for fact in FACT_TYPES})

    def _notify(self, line: str) -> None:
        self.lines.append(line)
        self.notify_all(line)
