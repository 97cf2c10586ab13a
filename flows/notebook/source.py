"""The results of a notebook as a source of the report: charts show what the relations hold."""

from tapeflow.connectors.duckdb.query_result import QueryResult
from tapeflow.connectors.duckdb.relations import Relations
from tapeflow.flows.report.source import Source


class OpenSource(Source):
    """A source that reads what is open, and leaves it open."""

    def __init__(self, relations: Relations) -> None:
        """Take the results that are open."""
        self.relations = relations
        super().__init__(relations.results)
        self.con, self.was_live = relations.con, relations.is_live
        if relations.notice is not None:
            self._notify(relations.notice)

    def close(self) -> None:
        """Leave the results open: they are the notebook's."""

    def _read(self, sql: str) -> QueryResult:
        return self.relations.read(sql)
