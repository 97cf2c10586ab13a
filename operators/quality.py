"""Data quality and metrics of each partition: counts by minute of log time.

records     r r r r r | r r r ...        the first record beyond a minute, or the end of the
rows                    ^ counts, metrics              log, completes its rows
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar

import bytewax.operators as op
import numpy as np
from bytewax.dataflow import operator
from bytewax.operators import KeyedStream
from msgspec import Struct
from msgspec.structs import asdict

from tapeflow.engine.compiled import compiled
from tapeflow.engine.fold import fold
from tapeflow.operators.ignored import count_ignored
from tapeflow.schemas.batches import Batch
from tapeflow.schemas.columns import Ints
from tapeflow.schemas.gaps import Gaps
from tapeflow.schemas.market import ACCEPTED, Market
from tapeflow.schemas.quality import Metric, OpenCounts, QualityCounts
from tapeflow.schemas.time import MIN_NS, NS_PER_MINUTE
from tapeflow.schemas.venues import venue_of

STATUSES, VERDICTS = 5, 6  # see schemas.market
TABLES = tuple(name for name in Market.tables() if name != "trades")  # trades: by verdict
CORRECTIONS = 2  # of log times: stepped back, stepped ahead
TICKS = STATUSES + VERDICTS  # the first column of TABLES
MISSING = TICKS + len(TABLES)  # trades in gaps
COLUMNS = MISSING + 1 + CORRECTIONS  # of counts, in this order
HALF, LOW_HALF = 32, 2**32 - 1  # delays are summed in halves of 32 bits: none overflows

QualityRow = QualityCounts | Metric


@dataclass(slots=True)
class State:
    """The open minute of one partition, changed in place."""

    counts: Ints  # (1 + instruments, COLUMNS); row 0: of records that are about no instrument
    minute: int = -1
    delay_sum: int = 0  # ns from event to log, of accepted trades; may leave 64 bits
    delay_max: int = MIN_NS
    bars: int = 0
    signals: int = 0
    partition: str = ""
    ignored: dict[str, int] = field(default_factory=dict)  # frames, by the name of the metric


def count_range(state: State, batch: Batch, begin: int, end: int) -> None:
    """Count the records [begin, end) of a batch, all of one minute."""
    first, after = batch.first_offset + begin, batch.first_offset + end
    market, bars = batch.market, batch.bars
    for number, name in enumerate(TABLES):
        ticks = getattr(market, name)
        if len(ticks):
            instrument = ticks.instrument[rows_within(ticks.offset, first, after)]
            count_rows(state.counts, instrument, TICKS + number)
    if batch.written_ns is not None:
        ahead_ns = batch.written_ns[begin:end] - batch.log_ns[begin:end]
        for column, found in ((-2, ahead_ns < 0), (-1, ahead_ns > 0)):
            count_rows(state.counts, batch.record_instrument[begin:end][found], column + COLUMNS)
    rows = rows_within(market.trades.offset, first, after)
    t = market.trades
    high, low, most = count_records(
        state.counts, batch.record_instrument[begin:end], batch.status[begin:end],
        t.instrument[rows], t.verdict[rows], t.log_ns[rows], t.event_ns[rows],
    )  # fmt: skip
    state.delay_sum += (int(high) << HALF) + int(low)
    state.delay_max = max(state.delay_max, int(most))
    rows = rows_within(bars.offset, first, after)
    state.bars += rows.stop - rows.start
    count_missing(state, batch.gaps, first, after)
    state.signals += sum(first <= signal.offset < after for signal in batch.signals)


def count_missing(state: State, gaps: Gaps, first: int, after: int) -> None:
    """Count the trades missing in the gaps that records from `first` to before `after` settled."""
    if len(gaps):
        rows = rows_within(gaps.settled_offset, first, after)
        np.add.at(state.counts[:, MISSING], gaps.instrument[rows] + 1, gaps.missing[rows])


def rows_within(offset: Ints, first: int, after: int) -> slice:
    """Return the rows of the records from offset `first` to before `after`."""
    return slice(int(offset.searchsorted(first)), int(offset.searchsorted(after)))


@compiled
def count_rows(counts: Ints, instrument: Ints, column: int) -> None:
    """Add one to `column` of the instrument's row of `counts`, for each row of a table."""
    for row in range(len(instrument)):
        counts[instrument[row] + 1, column] += 1


@compiled
def count_records(  # a kernel takes plain arrays
    counts: Ints,
    record_instrument: Ints,
    status: Ints,
    instrument: Ints,
    verdict: Ints,
    log_ns: Ints,
    event_ns: Ints,
) -> tuple[int, int, int]:
    """Count records by status and their trades by verdict; return the delays of accepted trades.

    The first two columns are by record, the others by trade. The delays, in ns, are their sum, in
    two halves, and the largest.
    """
    for record in range(len(status)):
        counts[record_instrument[record] + 1, status[record]] += 1
    high, low, most = 0, 0, MIN_NS
    for row in range(len(verdict)):
        counts[instrument[row] + 1, STATUSES + verdict[row]] += 1
        if verdict[row] == ACCEPTED:
            delay = log_ns[row] - event_ns[row]
            high += delay >> HALF
            low += delay & LOW_HALF
            most = max(most, delay)
    return high, low, most


def minute_rows(state: State, partition: str, instruments: tuple[str, ...]) -> Iterator[QualityRow]:
    """Yield the counts and metrics of a minute that has ended."""
    time_ns = state.minute * NS_PER_MINUTE
    for number in np.flatnonzero(state.counts.any(axis=1)).tolist():
        instrument = instruments[number - 1] if number else None
        decoded, heartbeats, recognised, unlisted, malformed, *rest = state.counts[number].tolist()
        accepted, duplicate, late, historical, off_market, ahead, *ticks, missing, back, forth = (
            rest
        )
        records = decoded + heartbeats + recognised + unlisted + malformed
        yield QualityCounts(
            partition, instrument, time_ns, records, heartbeats, recognised, malformed, unlisted,
            ticks[TABLES.index("quotes")], duplicate, late, historical, off_market, accepted,
            ahead, missing, back, forth,
        )  # fmt: skip
    accepted = int(state.counts[:, STATUSES + ACCEPTED].sum())
    metric = partial(Metric, partition, time_ns=time_ns)
    if state.minute >= 0:
        yield metric("trades", value=float(accepted))
        yield metric("bars", value=float(state.bars))
        yield metric("signals", value=float(state.signals))
        yield from (metric(name, value=count) for name, count in other_ticks(state) if count)
        yield from (metric(name, value=float(n)) for name, n in sorted(state.ignored.items()))
    if accepted:
        yield metric("delay_ms_mean", value=state.delay_sum / accepted / 1e6)
        yield metric("delay_ms_max", value=state.delay_max / 1e6)


def other_ticks(state: State) -> Iterator[tuple[str, float]]:
    """Yield (table, rows) of the tables that have no column in data_quality_minutes."""
    for number, name in enumerate(TABLES):
        if name not in QualityCounts.__struct_fields__:
            yield name, float(state.counts[:, TICKS + number].sum())


class CountQuality(Struct, frozen=True):
    """Counts the records of each partition by minute of log time."""

    VERSION: ClassVar[int] = 3

    instruments: tuple[str, ...]  # the ids by number
    channels: Mapping[str, tuple[str, ...]]  # by venue: names of its channels, by number

    def initial(self) -> State:
        """Return a state in which nothing was counted."""
        return State(np.zeros((len(self.instruments) + 1, COLUMNS), np.int64))

    def step(self, state: State, batch: Batch) -> tuple[State, Iterable[QualityRow]]:
        """Count a batch; return the rows of every minute that it ends."""
        rows, begin = list[QualityRow](), 0
        while begin < len(batch.log_ns):
            minute = int(batch.log_ns[begin]) // NS_PER_MINUTE
            if minute != state.minute:
                rows += minute_rows(state, batch.partition, self.instruments)
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
            rows += minute_rows(state, batch.partition, self.instruments)
            state = self.initial()
        return state, rows

    def report_open(self, state: State) -> Iterator[OpenCounts]:
        """Yield the counts of the open minute, which a stop leaves open."""
        mark_prices = TICKS + TABLES.index("mark_prices")
        for row in minute_rows(state, state.partition, self.instruments):
            if isinstance(row, QualityCounts):
                number = 0 if row.instrument is None else self.instruments.index(row.instrument) + 1
                yield OpenCounts(**asdict(row), mark_prices=int(state.counts[number, mark_prices]))

    def snapshot(self, state: State) -> Any:
        """Return the open minute as plain values and bytes."""
        sums = (state.delay_sum, state.delay_max, state.bars, state.signals)
        others = (state.partition, dict(state.ignored))
        return state.counts.tobytes(), state.minute, *sums, *others

    def restore(self, snapshot: Any) -> State:
        """Return the open minute of a snapshot."""
        counts, *others = snapshot
        return State(np.frombuffer(counts, np.int64).reshape(-1, COLUMNS).copy(), *others)


@operator
def quality(
    step_id: str, up: KeyedStream[Batch], *, counter: CountQuality
) -> KeyedStream[tuple[QualityRow, ...]]:
    """Count the records of each partition by minute."""
    return op.stateful_batch("state", up, fold(counter, emit_batches=True))
