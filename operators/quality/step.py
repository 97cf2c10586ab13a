"""Data quality and metrics of each partition: counts by minute of log time.

records     r r r r r | r r r ...        the first record beyond a minute, or the end of the
rows                    ^ counts, metrics              log, completes its rows
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar

import bytewax.operators as op
import numpy as np
from bytewax.dataflow import operator
from bytewax.operators import KeyedStream
from msgspec import Struct
from msgspec.structs import asdict

from tapeflow.engine.fold import fold
from tapeflow.operators.quality.channels import count_ignored
from tapeflow.operators.quality.counts import (
    COLUMNS,
    TABLES,
    TICKS,
    State,
    count_missing,
    count_range,
)
from tapeflow.operators.quality.rows import QualityRow, minute_rows
from tapeflow.schemas.batches import Batch
from tapeflow.schemas.quality import Metric, OpenCounts, QualityCounts
from tapeflow.schemas.time import NS_PER_MINUTE
from tapeflow.schemas.venues import venue_of


class CountQuality(Struct, frozen=True):
    """Counts the records of each partition by minute of log time."""

    VERSION: ClassVar[int] = 5

    instruments: tuple[str, ...]  # the ids by number
    channels: Mapping[str, tuple[str, ...]]  # by venue: names of its channels, by number
    counts_signals: bool = True  # else the desk does, where strategies are called

    def initial(self) -> State:
        """Return a state in which nothing was counted."""
        return State(np.zeros((len(self.instruments) + 1, COLUMNS), np.int64))

    def step(self, state: State, batch: Batch) -> tuple[State, Iterable[QualityRow]]:
        """Count a batch; return the rows of every minute that it ends."""
        rows, begin = list[QualityRow](), 0
        while begin < len(batch.log_ns):
            minute = int(batch.log_ns[begin]) // NS_PER_MINUTE
            if minute != state.minute:
                rows += self.minute_rows(state, batch.partition)
                state = self.initial()
                state.minute, state.partition = minute, batch.partition
            end = int(batch.log_ns.searchsorted((minute + 1) * NS_PER_MINUTE))
            count_range(state, batch, begin, end)
            if len(batch.ignored):
                labels, first = self.channels[venue_of(batch.partition)], batch.first_offset
                count_ignored(state.ignored, batch, labels, first + begin, first + end)
            begin = end
        if batch.end_of_log:
            if not len(batch.log_ns):  # bars closed by the end belong to the last record
                state.bars += len(batch.bars)
                count_missing(state, batch.gaps, 0, batch.next_offset)
                state.signals += len(batch.signals)
            rows += self.minute_rows(state, batch.partition)
            state = self.initial()
        return state, rows

    def minute_rows(self, state: State, partition: str) -> Iterator[QualityRow]:
        """Yield the counts and metrics of a minute."""
        for row in minute_rows(state, partition, self.instruments):
            if self.counts_signals or not isinstance(row, Metric) or row.name != "signals":
                yield row

    def report_open(self, state: State) -> Iterator[OpenCounts]:
        """Yield the counts of the open minute, which a stop leaves open."""
        mark_prices = TICKS + TABLES.index("mark_prices")
        names = (None, *self.instruments, *state.gone)
        for row in self.minute_rows(state, state.partition):
            if isinstance(row, QualityCounts):
                number = names.index(row.instrument)
                yield OpenCounts(**asdict(row), mark_prices=int(state.counts[number, mark_prices]))

    def snapshot(self, state: State) -> Any:
        """Return the open minute as plain values and bytes: its rows by their instruments."""
        names = (None, *self.instruments, *state.gone)
        numbers = np.flatnonzero(state.counts.any(axis=1))
        counted = tuple(names[number] for number in numbers.tolist())
        sums = (state.delay_sum, state.delay_max, state.bars, state.signals)
        others = (state.partition, dict(state.ignored))
        return counted, state.counts[numbers].tobytes(), state.minute, *sums, *others

    def restore(self, snapshot: Any) -> State:
        """Return the open minute of a snapshot; it keeps what was counted of any instrument."""
        counted, rows, *numbers, ignored = snapshot
        number_of = {name: number for number, name in enumerate((None, *self.instruments))}
        gone = tuple(name for name in counted if name not in number_of)
        number_of |= {name: len(number_of) + number for number, name in enumerate(gone)}
        state = State(np.zeros((len(number_of), COLUMNS), np.int64), *numbers)
        state.counts[[number_of[name] for name in counted]] = np.frombuffer(rows, np.int64).reshape(
            -1, COLUMNS
        )
        state.ignored, state.gone = dict(ignored), gone  # the snapshot's are shared with nobody
        return state


@operator
def quality(
    step_id: str, up: KeyedStream[Batch], *, counter: CountQuality
) -> KeyedStream[tuple[QualityRow, ...]]:
    """Count the records of each partition by minute."""
    return op.stateful_batch("state", up, fold(counter, emit_batches=True))
