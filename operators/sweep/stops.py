"""The stops of light portfolios: where variants decide and where equity is sampled.

decisions at one place ──▶ one stop      a sample ──▶ one, before all records of its log time
the horizon            ──▶ the last one
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tapeflow.operators.sweep.layout import (
    AT_NS,
    AT_OFFSET,
    AT_RANK,
    CLOSE_NS,
    DECIDE,
    INSTRUMENT,
    NOTHING,
    SAMPLE,
    STOP_WIDTH,
)
from tapeflow.operators.sweep.released import Released
from tapeflow.schemas.columns import Ints, Ints2
from tapeflow.schemas.time import MAX_NS, LogPosition

BEFORE_ALL = -1  # rank and offset of a place before all records of its log time
AFTER_ALL = 2**62


def take_decisions(state: Any, partitions: Sequence[str], ranks: Ints) -> Ints2:
    """Take the decisions below the horizon, in the order in which a desk decides them."""
    rows: Ints2 = state.decisions
    order = np.lexsort(
        (ranks[rows[:, INSTRUMENT]], rows[:, CLOSE_NS], *rows[:, [AT_OFFSET, AT_RANK, AT_NS]].T)
    )
    rows = rows[order]
    log_ns, rank, offset = horizon_place(state.merge.horizon, partitions)
    at_ns, at_rank, at_offset = rows[:, AT_NS], rows[:, AT_RANK], rows[:, AT_OFFSET]
    same = (at_rank < rank) | ((at_rank == rank) & (at_offset < offset))
    is_below = (at_ns < log_ns) | ((at_ns == log_ns) & same)
    count = int(is_below.sum())
    state.decisions = rows[count:]
    return np.ascontiguousarray(rows[:count])


def horizon_place(horizon: LogPosition, partitions: Sequence[str]) -> tuple[int, int, int]:
    """Return a horizon as log time, rank and offset."""
    log_ns, name, offset = horizon
    return (
        (log_ns, AFTER_ALL, AFTER_ALL)
        if log_ns == MAX_NS
        else (
            log_ns,
            partitions.index(name),
            offset,
        )
    )


def take_samples(state: Any, rows: Released, sample_ns: int) -> Ints:
    """Take the times at which equity is sampled by now: after each interval that has a row."""
    for log_ns in (rows.trades[1], rows.quotes[1]):
        if len(log_ns):
            numbers = log_ns // sample_ns
            changes = np.flatnonzero(np.diff(numbers, prepend=numbers[0] - 1))
            state.samples.update(((numbers[changes] + 1) * sample_ns).tolist())
    last_ns = min(state.merge.horizon[0], state.merge.log_ns)
    certain = sorted(each for each in state.samples if each <= last_ns)
    state.samples.difference_update(certain)
    return np.array(certain, np.int64)


def all_stops(
    decisions: Ints2, times: Ints, horizon: LogPosition, partitions: Sequence[str]
) -> Ints2:
    """Return all stops up to the horizon, in order."""
    places = decisions[:, [AT_NS, AT_RANK, AT_OFFSET]]
    firsts = np.flatnonzero((np.diff(places, axis=0, prepend=places[:1] - 1) != 0).any(axis=1))
    deciding = np.zeros((len(firsts), STOP_WIDTH), np.int64)
    deciding[:, :3], deciding[:, 3], deciding[:, 4] = places[firsts], DECIDE, firsts
    deciding[:, 5] = np.append(firsts[1:], len(decisions)) if len(firsts) else 0
    sampling = np.zeros((len(times), STOP_WIDTH), np.int64)
    sampling[:, 0], sampling[:, 1:3], sampling[:, 3] = times, BEFORE_ALL, SAMPLE
    stops = np.concatenate([sampling, deciding])
    stops = stops[np.lexsort((stops[:, 2], stops[:, 1], stops[:, 0]))]
    log_ns, rank, offset = horizon_place(horizon, partitions)
    last = np.array([[log_ns, rank, offset - 1, NOTHING, 0, 0]], np.int64)
    return np.ascontiguousarray(np.concatenate([stops, last]))


def last_stop() -> Ints2:
    """Return the sample at the end of the log."""
    return np.array([[MAX_NS, AFTER_ALL, AFTER_ALL, SAMPLE, 0, 0]], np.int64)
