"""Results that are open in a notebook or a script: tables as relations, SQL, charts.

results = tapeflow.open("results.duckdb")
results.fills.filter("side = 'BUY'").df()
results.sql("SELECT account, sum(fee_value) FROM fills GROUP BY ALL").pl()
results.equity_chart()
"""

from difflib import get_close_matches
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tapeflow.connectors.duckdb.relations import NAMES, Relations
from tapeflow.connectors.duckdb.tables import literal
from tapeflow.flows.notebook.display import MARGIN_PX, Page
from tapeflow.flows.run.version import package_version
from tapeflow.schemas.errors import TapeflowError

Relation = Any  # duckdb.DuckDBPyRelation: .df(), .pl(), .arrow(), .filter(), .aggregate(), ...

TABLES = f"SELECT name, split_part(comment, e'\\n\\n', 1) AS comment FROM ({NAMES}) ORDER BY name"
SPAN = """
SELECT (SELECT count(*) FROM bars) AS bars, (SELECT count(*) FROM fills) AS fills,
    (SELECT strftime(min(open_time), '%Y-%m-%d %H:%M:%S') FROM bars) AS first,
    (SELECT strftime(max(close_time), '%Y-%m-%d %H:%M:%S') FROM bars) AS last,
    arg_max(version, id) AS version, arg_max(command, id) AS command FROM runs
"""
TALL_PX = 900  # of the whole report, which scrolls in its frame


class Results:
    """A read-only handle of results: of a finished file, a partial one, or a run that goes on.

    Each table and view is an attribute, and an item: `results.fills`, `results["fills"]`. Both are
    relations of DuckDB. Those of a running flow hold its rows at that moment.
    """

    def __init__(self, path: str | Path) -> None:
        """Open results.

        Raises TapeflowError where there are none, or they cannot be read.
        """
        self._relations = Relations(Path(path))

    @property
    def path(self) -> Path:
        """The results file."""
        return self._relations.results

    @property
    def is_running(self) -> bool:
        """Whether a running flow answers, rather than the file."""
        return self._relations.is_live

    @property
    def tables(self) -> Relation:
        """The tables and views, each with the first lines of its comment."""
        return self.sql(TABLES)

    def columns(self, table: str) -> Relation:
        """Return the columns of a table or view: name, type, comment.

        Raises TapeflowError where there is no such table.
        """
        self._check_name(table)
        return self.sql(
            "SELECT column_name AS name, data_type AS type, comment FROM duckdb_columns() WHERE "
            f"table_name = {literal(table)} AND schema_name = 'main' "
            "AND database_name = current_database() ORDER BY column_index"
        )

    def sql(self, query: str) -> Relation:
        """Return the relation of one SELECT in DuckDB's SQL.

        Raises TapeflowError for a query that fails.
        """
        return self._relations.query(query)

    def digest(self) -> str:
        """Return the digest of all facts, as `tapeflow digest` prints it.

        Raises TapeflowError while a run makes them.
        """
        from tapeflow.flows.notebook.source import OpenSource  # noqa: PLC0415  # slow

        self.sql("FROM runs LIMIT 1")  # a run may have ended
        found = OpenSource(self._relations).digest
        if found is None:
            raise TapeflowError(f"{self.path}: a run is making these results: stop it first")
        return found

    def equity_chart(self, *, height: int = 400) -> Page:
        """Return equity and drawdown; `height` is in pixels."""
        from tapeflow.flows.notebook.charts import equity  # noqa: PLC0415  # slow

        return Page(equity(self._relations, height), "equity", height + MARGIN_PX)

    def candles(self, *instruments: str, height: int = 440) -> Page:
        """Return candles of these instruments, or of all, with fills; `height` is in pixels.

        Raises TapeflowError where an instrument is not in the results.
        """
        from tapeflow.flows.notebook.charts import candles  # noqa: PLC0415  # slow

        return Page(
            candles(self._relations, instruments, height), "candles", height + 2 * MARGIN_PX
        )

    def exposure_chart(self, account: str, *, height: int = 260) -> Page:
        """Return long, short, gross and net notional of an account, with its limits."""
        from tapeflow.flows.notebook.charts import exposure  # noqa: PLC0415  # slow

        return Page(exposure(self._relations, account, height), "exposure", height + MARGIN_PX)

    def report(self) -> Page:
        """Return the whole report, as `tapeflow report` writes it."""
        from tapeflow.flows.notebook.charts import report  # noqa: PLC0415  # slow

        return Page(report(self._relations), f"report of {self.path.name}", TALL_PX)

    def close(self) -> None:
        """Close the results; what was read of them stays."""
        self._relations.close()

    def __getitem__(self, table: str) -> Relation:
        self._check_name(table)
        return self.sql(f'FROM "{table}"')

    def __getattr__(self, name: str) -> Relation:
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            self._check_name(name)
        except TapeflowError as error:
            raise AttributeError(str(error)) from None
        return self[name]

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self._relations.comments})

    def _ipython_key_completions_(self) -> list[str]:
        return list(self._relations.comments)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        """Return which results these are, and up to where they go."""
        bars, fills, first, last, version, command = self.sql(SPAN).fetchall()[0]
        span = f"bars from {first} to {last}" if bars else "no bars yet"
        parts = [f"{self.path}: {span}, {fills:,} fills"]
        parts.append(f"the {command} that makes them is running" if self.is_running else command)
        if version != package_version():
            parts.append(f"made by version {version}, this is {package_version()}")
        if self._relations.notice is not None:
            parts.append(self._relations.notice)
        return f"<results {'; '.join(parts)}>"

    def _check_name(self, table: str) -> None:
        names = self._relations.comments
        if table not in names:
            near = get_close_matches(table, names, 1)
            hint = f": is it {near[0]}?" if near else ": see results.tables"
            raise TapeflowError(f"{self.path} holds no table {table!r}{hint}")
