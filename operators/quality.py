"""What became of every record, and how the partition fares: counts by minute of log time.

records     r r r r r | r r r ...        a minute is told by the first record beyond it,
rows                    ^ quality, metrics           or by the end of the log
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import bytewax.operators as op
import numpy as np
from bytewax.dataflow import operator
from bytewax.operators import KeyedStream

from tapeflow.engine.compiled import compiled
from tapeflow.engine.fold import fold
from tapeflow.schemas.batches import Batch
from tapeflow.schemas.columns import Ints
from tapeflow.schemas.market import ACCEPTED
from tapeflow.schemas.quality import Metric, QualityCounts

STATE_VERSION = 1
MINUTE_NS = 60_000_000_000
STATUSES, VERDICTS = 5, 5  # see schemas.market
WIDTH = STATUSES + VERDICTS + 1  # and quotes
HALF, LOW_HALF = 32, 2**32 - 1  # a column is summed in halves, neither of which overflows

QualityRow = QualityCounts | Metric


@dataclass(slots=True)
class State:
    """The open minute of one partition; the step owns it and changes it in place."""

    minute: int = -1
    counts: Ints = field(default_factory=lambda: np.zeros((0, WIDTH), np.int64))  # row 0: of none
    delay_sum: int = 0  # ns from event to log, of accepted trades; may leave 64 bits
    delay_max: int = -(2**63)
    bars: int = 0
    signals: int = 0


def start(instruments: int) -> State:
    """Nothing counted."""
    return State(counts=np.zeros((instruments + 1, WIDTH), np.int64))


def step(
    state: State, batch: Batch, *, instruments: tuple[str, ...]
) -> tuple[State, Iterable[QualityRow]]:
    """Count a batch; tell every minute that it ends."""
    sent: list[QualityRow] = []
    begin = 0
    while begin < len(batch.log_ns):
        minute = int(batch.log_ns[begin]) // MINUTE_NS
        if minute != state.minute:
            sent += rows(state, batch.partition, instruments)
            state = start(len(instruments))
            state.minute = minute
        end_ns = (minute + 1) * MINUTE_NS
        end = int(batch.log_ns.searchsorted(end_ns))
        count(state, batch, begin, end)
        begin = end
    if batch.end:
        if not len(batch.log_ns):  # what the end closes belongs to the last record
            state.bars += len(batch.bars)
            state.signals += len(batch.signals)
        sent += rows(state, batch.partition, instruments)
        state = start(len(instruments))
    return state, sent


def count(state: State, batch: Batch, begin: int, end: int) -> None:
    """Count the records [begin, end) of a batch, all of one minute."""
    lo, hi = batch.lo + begin, batch.lo + end
    trades, bars = batch.trades, batch.bars
    quotes = batch.quotes.instrument[slice(*within(batch.quotes.offset, lo, hi))]
    first, last = within(trades.offset, lo, hi)
    high, low, most = count_rows(
        state.counts, batch.owner[begin:end], batch.status[begin:end], quotes,
        trades.instrument[first:last], trades.verdict[first:last],
        trades.log_ns[first:last], trades.event_ns[first:last],
    )  # fmt: skip
    state.delay_sum += (int(high) << HALF) + int(low)
    state.delay_max = max(state.delay_max, int(most))
    first, last = within(bars.offset, lo, hi)
    state.bars += last - first
    state.signals += sum(lo <= signal.offset < hi for signal in batch.signals)


def within(offset: Ints, lo: int, hi: int) -> tuple[int, int]:
    """Rows of the records from `lo` to before `hi`."""
    return int(offset.searchsorted(lo)), int(offset.searchsorted(hi))


@compiled
def count_rows(  # noqa: PLR0913, PLR0917  # a kernel takes plain arrays
    counts: Ints,
    owner: Ints,
    status: Ints,
    quotes: Ints,
    instrument: Ints,
    verdict: Ints,
    log_ns: Ints,
    event_ns: Ints,
) -> tuple[int, int, int]:
    """Count records, quotes and trades; the delays of accepted trades: sum, in halves, and most."""
    for record in range(len(owner)):
        counts[owner[record] + 1, status[record]] += 1
    for row in range(len(quotes)):
        counts[quotes[row] + 1, WIDTH - 1] += 1
    high, low, most = 0, 0, -(2**63)
    for row in range(len(verdict)):
        counts[instrument[row] + 1, STATUSES + verdict[row]] += 1
        if verdict[row] == ACCEPTED:
            delay = log_ns[row] - event_ns[row]
            high += delay >> HALF
            low += delay & LOW_HALF
            most = max(most, delay)
    return high, low, most


def rows(state: State, partition: str, instruments: tuple[str, ...]) -> Iterator[QualityRow]:
    """What there is to tell of a minute that has ended."""
    time_ns = state.minute * MINUTE_NS
    for number in np.flatnonzero(state.counts.any(axis=1)).tolist():
        name = instruments[number - 1] if number else None
        ticks, beats, known, unlisted, malformed, *rest = state.counts[number].tolist()
        accepted, duplicate, late, history, off_market, quotes = rest
        records = ticks + beats + known + unlisted + malformed
        yield QualityCounts(
            partition, name, time_ns, records, beats, known, malformed, unlisted,
            quotes, duplicate, late, history, off_market, accepted,
        )  # fmt: skip
    accepted = int(state.counts[:, STATUSES + ACCEPTED].sum())
    metric = partial(Metric, partition, time_ns=time_ns)
    if state.minute >= 0:
        yield metric("trades", value=float(accepted))
        yield metric("bars", value=float(state.bars))
        yield metric("signals", value=float(state.signals))
    if accepted:
        yield metric("delay_ms_mean", value=state.delay_sum / accepted / 1e6)
        yield metric("delay_ms_max", value=state.delay_max / 1e6)


def keep(state: State) -> Any:
    """Plain bytes."""
    sums = (state.delay_sum, state.delay_max, state.bars, state.signals)
    return STATE_VERSION, state.minute, state.counts.tobytes(), sums


def resume(kept: Any) -> State:
    """The open minute again."""
    version, minute, counts, sums = kept
    assert version == STATE_VERSION, f"tally state of version {version}"
    table = np.frombuffer(counts, np.int64).reshape(-1, WIDTH).copy()
    return State(minute, table, *sums)


@operator
def tally(
    step_id: str, up: KeyedStream[Batch], *, instruments: tuple[str, ...]
) -> KeyedStream[tuple[QualityRow, ...]]:
    """Count the records of each partition by minute of log time."""
    each, begin = partial(step, instruments=instruments), partial(start, len(instruments))
    build = fold(each, begin, keep, resume, emit_batches=True)
    return op.stateful_batch("minute", up, build)
