"""What a batch has to tell the world: its bars, signals, late trades and dead letters."""

from collections.abc import Iterator

import bytewax.operators as op
from bytewax.dataflow import operator
from bytewax.operators import KeyedStream

from tapeflow.schemas.batches import BarBlock, Batch, Facts
from tapeflow.schemas.market import LATE
from tapeflow.schemas.quality import LateTrade


def step(batch: Batch, *, instruments: tuple[str, ...]) -> Facts:
    """The facts of a batch, each kind in log order."""
    bars = [BarBlock(batch.partition, batch.bars)] if len(batch.bars) else []
    return *batch.dead, *late_trades(batch, instruments), *batch.signals, *bars


def late_trades(batch: Batch, instruments: tuple[str, ...]) -> Iterator[LateTrade]:
    """The late ones as values: they are few."""
    late = batch.trades.take((batch.trades.verdict == LATE).nonzero()[0])
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
def facts(
    step_id: str, up: KeyedStream[Batch], *, instruments: tuple[str, ...]
) -> KeyedStream[Facts]:
    """Everything a batch tells, together."""

    def each(batch: Batch) -> Iterator[Facts]:
        if told := step(batch, instruments=instruments):
            yield told

    return op.flat_map_value("each", up, each)
