"""The counts of one minute: records by status, ticks, log times, delays, bars, signals.

counts   (1 + instruments, COLUMNS)      a row for each instrument; row 0: about none. Last those
                                         that the job does not list any more
status ×5 | verdict ×6 | ticks of each table | missing | stepped back, ahead
"""

from dataclasses import dataclass, field

import numpy as np

from tapeflow.engine.compiled import by_numbers, compiled
from tapeflow.schemas.batches import Batch
from tapeflow.schemas.columns import Ints, Ints2, Written
from tapeflow.schemas.gaps import Gaps
from tapeflow.schemas.market import ACCEPTED, Market
from tapeflow.schemas.time import MIN_NS

STATUSES, VERDICTS = 5, 6  # see schemas.market
TABLES = tuple(name for name in Market.tables() if name != "trades")  # trades: by verdict
CORRECTIONS = 2  # of log times: stepped back, stepped ahead
TICKS = STATUSES + VERDICTS  # the first column of TABLES
MISSING = TICKS + len(TABLES)  # trades in gaps
COLUMNS = MISSING + 1 + CORRECTIONS  # of counts, in this order
HALF, LOW_HALF = 32, 2**32 - 1  # delays are summed in halves of 32 bits: none overflows


@dataclass(slots=True)
class State:
    """The open minute of one partition, changed in place."""

    counts: Ints  # (1 + instruments + gone, COLUMNS); row 0: about no instrument
    minute: int = -1
    delay_sum: int = 0  # ns from event to log, of accepted trades; may leave 64 bits
    delay_max: int = MIN_NS
    bars: int = 0
    signals: int = 0
    partition: str = ""
    ignored: dict[str, int] = field(default_factory=dict)  # frames, by the name of the metric
    gone: tuple[str, ...] = ()  # instruments that have rows behind those of the job


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
    if len(bars):
        rows = rows_within(bars.offset, first, after)
        state.bars += rows.stop - rows.start
        state.signals += sum(first <= signal.offset < after for signal in batch.signals)
    count_missing(state, batch.gaps, first, after)


def count_missing(state: State, gaps: Gaps, first: int, after: int) -> None:
    """Count the trades missing in the gaps that records from `first` to before `after` settled."""
    if len(gaps):
        rows = rows_within(gaps.settled_offset, first, after)
        np.add.at(state.counts[:, MISSING], gaps.instrument[rows] + 1, gaps.missing[rows])


def rows_within(offset: Ints, first: int, after: int) -> slice:
    """Return the rows of the records from offset `first` to before `after`."""
    return slice(int(offset.searchsorted(first)), int(offset.searchsorted(after)))


@compiled
@by_numbers
def count_rows(counts: Written[Ints2], instrument: Ints, column: int) -> None:
    """Add one to `column` of the instrument's row of `counts`, for each row of a table."""
    for row in range(len(instrument)):
        counts[instrument[row] + 1, column] += 1


@compiled
@by_numbers
def count_records(  # a kernel takes plain arrays
    counts: Written[Ints2],
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
