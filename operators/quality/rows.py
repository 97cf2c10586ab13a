"""The counts of a minute that has ended, as rows of `data_quality_minutes` and `metrics`."""

from collections.abc import Iterator
from functools import partial

import numpy as np

from tapeflow.operators.quality.counts import STATUSES, TABLES, TICKS, State
from tapeflow.schemas.market import ACCEPTED
from tapeflow.schemas.quality import Metric, QualityCounts
from tapeflow.schemas.time import NS_PER_MINUTE

QualityRow = QualityCounts | Metric


def minute_rows(state: State, partition: str, instruments: tuple[str, ...]) -> Iterator[QualityRow]:
    """Yield the counts and metrics of a minute that has ended."""
    time_ns = state.minute * NS_PER_MINUTE
    names = (None, *instruments, *state.gone)
    for number in np.flatnonzero(state.counts.any(axis=1)).tolist():
        decoded, heartbeats, recognised, unlisted, malformed, *rest = state.counts[number].tolist()
        accepted, duplicate, late, historical, off_market, ahead, *ticks, missing, back, forth = (
            rest
        )
        records = decoded + heartbeats + recognised + unlisted + malformed
        yield QualityCounts(
            partition, names[number], time_ns, records, heartbeats, recognised, malformed, unlisted,
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
