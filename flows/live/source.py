"""Read rows of a snapshot: of the run over Flight while it goes on, else of the newest file.

results.duckdb.live answers ──▶ the run
else ──▶ results.duckdb, or results.duckdb.partial of a later replay that has not finished
"""

from pathlib import Path
from typing import Any

from tapeflow.connectors.duckdb.file import sibling
from tapeflow.connectors.duckdb.lock import is_locked
from tapeflow.connectors.duckdb.reading import ResultsReader
from tapeflow.connectors.duckdb.runs import describe_absent
from tapeflow.flows.live.queries import RUN
from tapeflow.schemas.errors import TapeflowError

Row = dict[str, Any]
Signature = tuple[str, int, int, int]  # path, inode, time of change in ns, bytes


class RunEndedError(Exception):
    """The run ended between two queries of a snapshot."""


class LiveSource:
    """Results of a run that goes on, or has ended."""

    def __init__(self, results: Path) -> None:
        """Prepare to read; `begin` looks whether a run goes on."""
        self.results = results
        self.reader: ResultsReader | None = None
        self.is_live = False
        self.signature: Signature | None = None  # of the file that `reader` has open

    def begin(self) -> Row | None:
        """Return the row of the last run, from the run itself or a file; None before its first.

        Raises TapeflowError where there are neither results nor a run.
        """
        if sibling(self.results, ".live").exists():
            from tapeflow.connectors.duckdb.flight import query_running  # noqa: PLC0415  # slow

            found = query_running(self.results, RUN)
            if found is not None and found.rows:
                self.close()
                self.is_live = True
                return dict(zip(found.names, found.rows[0], strict=True))
        self.is_live = False
        return self._begin_file()

    def rows(self, sql: str) -> list[Row]:
        """Return the rows of a query, by column.

        Raises RunEndedError where the run has ended since `begin`, TapeflowError for a query that
        fails.
        """
        if not self.is_live:
            if self.reader is None:
                return []
            return self.reader.rows(sql)
        from tapeflow.connectors.duckdb.flight import query_running  # noqa: PLC0415  # slow

        found = query_running(self.results, sql)
        if found is None:
            raise RunEndedError
        return [dict(zip(found.names, row, strict=True)) for row in found.rows]

    def close(self) -> None:
        """Close the file."""
        if self.reader is not None:
            self.reader.close()
        self.reader, self.signature = None, None

    def _begin_file(self) -> Row | None:
        """Open the file of the last run, where it is not open already."""
        partial = sibling(self.results, ".partial")
        paths = [self.results] if is_locked(self.results) else [self.results, partial]
        paths = [path for path in paths if path.exists()]
        if not paths:
            self.close()
            if is_locked(self.results):
                return None
            raise TapeflowError(describe_absent(self.results))
        if self.signature is not None and self.signature not in map(sign, paths):
            self.close()  # first: in one process DuckDB opens a path once, though its file is new
        found = [opened for path in paths if (opened := self._try(path)) is not None]
        self.close()
        if not found:
            raise TapeflowError(f"{self.results}: not results of this version of Tapeflow")
        newest = max(found, key=lambda each: each[1]["started_ns"])
        for reader, _row, _signature in found:
            if reader is not newest[0]:
                reader.close()
        self.reader, _, self.signature = newest
        return newest[1]

    def _try(self, path: Path) -> tuple[ResultsReader, Row, Signature] | None:
        """Open a file; return it with its last run, None where it holds none."""
        signature = sign(path)
        if self.reader is not None and signature == self.signature:
            reader, self.reader = self.reader, None
        else:
            reader = ResultsReader(path)
        try:
            rows = reader.rows(RUN)
        except TapeflowError:  # of another version
            rows = []
        if not rows:
            reader.close()
            return None
        return reader, rows[0], signature


def sign(path: Path) -> Signature:
    """Return what changes when another file takes the place of this one."""
    found = path.stat()
    return str(path), found.st_ino, found.st_mtime_ns, found.st_size
