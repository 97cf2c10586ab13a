"""Compute the features that strategies read at their signals, from the bars in the results.

    bars of the results ─code of the run─▶ features at the bar, and at the one before

Jobs, strategies and bars are made once for all signals of an explanation.
"""

from functools import cached_property

from tapeflow.connectors.duckdb.reading import ResultsReader
from tapeflow.flows.explain.declared import make_declared, stored_job
from tapeflow.flows.explain.series import Series
from tapeflow.flows.explain.stored_bars import Source, is_long, read_bars
from tapeflow.flows.job.bar_kinds import own_kinds
from tapeflow.flows.job.instruments import instrument_table
from tapeflow.flows.job.settings import Job
from tapeflow.operators.desk.strategies.reads import Need, parse_needs
from tapeflow.schemas.errors import TapeflowError
from tapeflow.schemas.instruments import InstrumentTable
from tapeflow.schemas.signals import DeclaredStrategy
from tapeflow.schemas.time import LogPosition

BAR_KEY = tuple[int, str, str]  # close_ns, kind, instrument: the order of bars at one record


class Features:
    """Features of the strategies of some results."""

    def __init__(self, reader: ResultsReader) -> None:
        """Begin with nothing computed."""
        self.reader = reader
        self.declared: dict[str, DeclaredStrategy | TapeflowError] = {}
        self.known: dict[tuple[str, Source], Series] = {}
        self.partitions: dict[tuple[str, str], list[Source]] = {}

    @cached_property
    def job(self) -> Job:
        """The job of the last start."""
        return stored_job(self.reader)

    @cached_property
    def table(self) -> InstrumentTable:
        """The instruments of the job."""
        return instrument_table(self.job)

    def strategy(self, name: str) -> DeclaredStrategy:
        """Return a strategy. Raises TapeflowError with why it can't be made."""
        if name not in self.declared:
            try:
                self.declared[name] = make_declared(self.reader, self.job, self.table, name)
            except TapeflowError as error:
                self.declared[name] = error
        found = self.declared[name]
        if isinstance(found, TapeflowError):
            raise found
        return found

    def needs(self, declared: DeclaredStrategy) -> list[Need]:
        """Return what a strategy reads, of its class and of the size of its orders."""
        return parse_needs(declared.needs, own_kinds(self.job.bars.width, [declared]))

    def series(self, declared: DeclaredStrategy, source: Source, until: LogPosition) -> Series:
        """Return the bars of a source with features, at least those closed up to a position."""
        key = (declared.name, source)
        if key not in self.known:
            is_part, number = is_long(self.reader, source), self.table.number[source.instrument]
            stored = read_bars(self.reader, source, number, until if is_part else None)
            series = Series(self.job, self.table, declared, stored)
            if is_part:
                return series
            self.known[key] = series
        return self.known[key]

    def last_bar(
        self, declared: DeclaredStrategy, kind: str, instrument: str,
        position: LogPosition, key: BAR_KEY | None,
    ) -> tuple[Series, int] | None:  # fmt: skip
        """Return the last bar that was known at a position, as bars and row; None without bars.

        `key`: of the bar with which the strategy was called there; those at the same record that
        come before it were known too.
        """
        found = []
        for source in self.sources(kind, instrument):
            series = self.series(declared, source, position)
            place = series.stored.place_at(position)
            while key is not None and series.stored.is_known(place + 1, position, key):
                place += 1
            log_ns = int(series.stored.bars.log_ns[place]) if place >= 0 else -1
            found.append((log_ns, source.partition, series, place))
        if not found:
            return None
        return max(found, key=lambda each: each[:2])[2:]

    def sources(self, kind: str, instrument: str) -> list[Source]:
        """Return the bars of an instrument and kind, of each partition that has some."""
        if not self.partitions:
            for table, of_kind in (("bars", "''"), ("other_bars", "kind")):
                for row in self.reader.rows(
                    f"SELECT DISTINCT {of_kind} AS kind, instrument, partition FROM {table} "
                    "ORDER BY ALL"
                ):
                    key = row["kind"], row["instrument"]
                    self.partitions.setdefault(key, []).append(Source(*key, row["partition"]))
        return self.partitions.get((kind, instrument), [])
