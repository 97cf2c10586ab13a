"""Results: every fact in one DuckDB file, exactly once.

    facts ──▶ buffer ──epoch──▶ one transaction, rows marked with its number ──▶ results.duckdb
    resume at number n: rows of later transactions are taken back first; the log brings them again

One partition of one sink owns the work file; a reader only ever meets a whole copy of it, or asks
the owner while it runs (live_answers.py).
"""

from collections import defaultdict
from itertools import chain
from time import monotonic
from typing import Any

import pyarrow as pa
from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition
from msgspec import Struct

from connectors import duckdb_file
from connectors.duckdb_file import TRANSACTION, Files, Run
from connectors.live_answers import LiveAnswers
from schemas.errors import witnessed
from schemas.pages import Block, Facts
from schemas.tables import batch_of
from schemas.topics import BY_TYPE, TOPICS

PART = "results"
PUBLISH_EVERY_S = 5.0
MANY = 256  # facts of a type that are laid out as columns at once
SHARE = 20  # publishing takes at most a twentieth of the time


class ResultsSink(FixedPartitionedSink[Facts, int]):
    """Facts into the tables of their types."""

    def __init__(self, files: Files, run: Run) -> None:
        """Write what becomes the results."""
        self.files, self.run = files, run

    def list_parts(self) -> list[str]:
        """One owner."""
        return [PART]

    def part_fn(self, item_key: str) -> int:
        """Give it everything."""
        return 0

    @witnessed
    def build_part(self, step_id: str, for_part: str, resume_state: int | None) -> "ResultsPart":
        """Lay the file out, or take back what was written after the state that is resumed."""
        if resume_state is None:
            duckdb_file.create(self.files, self.run)
        return ResultsPart(self.files, self.run, resume_state or 0)


class ResultsPart(StatefulSinkPartition[Facts, int]):
    """The owner of the file."""

    def __init__(self, files: Files, run: Run, transaction: int) -> None:
        self.files = files
        self.transaction = transaction
        self.facts: defaultdict[type, list[Struct]] = defaultdict(list)
        self.batches: defaultdict[type, list[Any]] = defaultdict(list)  # facts before those
        self.con = duckdb_file.connect(files.work)
        with duckdb_file.clear_errors(files.work):
            self.con.begin()
            for topic in TOPICS:
                self.con.execute(
                    f"DELETE FROM {topic.table} WHERE {TRANSACTION} > ?", [transaction]
                )
            duckdb_file.begin_run(self.con, run)
            self.con.commit()
        self.published_at, self.cost_s, self.stale = monotonic(), 0.0, True
        if not files.results.exists():
            self.publish()
        self.sound = True  # nothing has failed: what is here may be published
        self.live = LiveAnswers(self.con, files.results)

    def write_batch(self, values: list[Facts]) -> None:
        """Keep facts for the end of the epoch, as columns where they are many."""
        for fact in chain.from_iterable(values):
            if isinstance(fact, Block):
                self.batches[type(fact.facts[0])].append(fact.columns)
                continue
            waiting = self.facts[type(fact)]
            waiting.append(fact)
            if len(waiting) == MANY:
                self._lay_out(type(fact))

    def _lay_out(self, kind: type) -> None:
        """Turn facts into columns while they are still in the processor's cache."""
        if facts := self.facts.pop(kind, None):
            self.batches[kind].append(batch_of(kind, facts))

    @witnessed
    def snapshot(self) -> int:
        """Write the epoch's facts in one transaction; its number is what a resume goes back to."""
        self.sound = False
        for kind in list(self.facts):
            self._lay_out(kind)
        if self.batches:
            self.transaction += 1
            with duckdb_file.clear_errors(self.files.work):
                self.con.begin()
                for kind, batches in self.batches.items():
                    told = pa.Table.from_batches(batches).combine_chunks()  # noqa: F841  # DuckDB reads it by name
                    self.con.execute(
                        f"INSERT INTO {BY_TYPE[kind].table} BY NAME "
                        f"SELECT *, {self.transaction}::BIGINT AS {TRANSACTION} FROM told"
                    )
                self.con.commit()
            self.batches.clear()
            self.stale = True
        self.publish_when_due()
        self.sound = True
        return self.transaction

    def publish_when_due(self) -> None:
        """Publish every few seconds, and seldom enough to cost little however large the file is."""
        waited = monotonic() - self.published_at
        if self.stale and waited > max(PUBLISH_EVERY_S, SHARE * self.cost_s):
            self.publish()

    def publish(self) -> None:
        """Put a whole copy in the place of the results."""
        began = monotonic()
        duckdb_file.publish(self.con, self.files)
        self.published_at = monotonic()
        self.cost_s = self.published_at - began
        self.stale = False

    @witnessed
    def close(self) -> None:
        """Publish what is sealed; what an epoch has not sealed was never written."""
        self.live.close()
        if self.stale and self.sound:
            self.publish()
        self.con.close()
