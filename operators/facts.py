"""What a batch has to tell the world: its bars, signals, late trades and dead letters."""

from collections.abc import Iterator

import bytewax.operators as op
import numpy as np
from bytewax.dataflow import operator
from bytewax.operators import KeyedStream
from msgspec import Struct

from schemas.market import LATE, LateTrade
from schemas.pages import Batch, Facts


def step(batch: Batch, *, instruments: tuple[str, ...]) -> Iterator[Struct]:
    """The facts of a batch, each kind in log order."""
    yield from batch.dead
    yield from late_trades(batch, instruments)
    yield from batch.bars
    yield from batch.signals


def late_trades(batch: Batch, instruments: tuple[str, ...]) -> Iterator[LateTrade]:
    """The late ones as values: they are few."""
    late = batch.trades.take(np.flatnonzero(batch.trades.verdict == LATE))
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
        if told := tuple(step(batch, instruments=instruments)):
            yield told

    return op.flat_map_value("each", up, each)
