"""The facts of a batch: its dead letters, late trades, gaps, signals and bars."""

from collections.abc import Iterator

import bytewax.operators as op
from bytewax.dataflow import operator
from bytewax.operators import KeyedStream

from tapeflow.schemas.batches import BarBlock, Batch, Facts
from tapeflow.schemas.market import LATE
from tapeflow.schemas.quality import LateTrade


def step(batch: Batch, *, instruments: tuple[str, ...]) -> Facts:
    """Return the facts of a batch, each kind in log order; `instruments` are the ids by number."""
    bars = [BarBlock(batch.partition, batch.bars)] if len(batch.bars) else []
    bars += [BarBlock(batch.partition, each, kind) for kind, each in batch.other_bars.items()]
    gaps = batch.gaps.values(batch.partition, instruments)
    return *batch.dead_letters, *late_trades(batch, instruments), *gaps, *batch.signals, *bars


def late_trades(batch: Batch, instruments: tuple[str, ...]) -> Iterator[LateTrade]:
    """Yield the late trades of a batch as values: they are few."""
    trades = batch.market.trades
    rows = (trades.verdict == LATE).nonzero()[0]
    if not len(rows):
        return  # as of most batches: columns without rows cost microseconds too
    late = trades.take(rows)
    for row in range(len(late)):
        yield LateTrade(
            instrument=instruments[late.instrument[row]],
            partition=batch.partition,
            offset=int(late.offset[row]),
            log_ns=int(late.log_ns[row]),
            event_ns=int(late.event_ns[row]),
            trade_id=int(late.trade_id[row]),
            aggressor=int(late.aggressor[row]),
            price=float(late.price[row]),
            size=float(late.size[row]),
        )


@operator
def batch_facts(
    step_id: str, up: KeyedStream[Batch], *, instruments: tuple[str, ...]
) -> KeyedStream[Facts]:
    """Send the facts of each batch together; `instruments` are the ids by number."""

    def facts_of(batch: Batch) -> Iterator[Facts]:
        if facts := step(batch, instruments=instruments):
            yield facts

    return op.flat_map_value("batch", up, facts_of)
