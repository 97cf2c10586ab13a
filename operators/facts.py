"""What a batch has to tell the world: its bars, signals, late trades and dead letters."""

from collections.abc import Iterator
from functools import cache
from typing import Any

import bytewax.operators as op
import numpy as np
import pyarrow as pa
from bytewax.dataflow import operator
from bytewax.operators import KeyedStream
from msgspec import Struct

from schemas.market import LATE, Bar, Bars, LateTrade
from schemas.pages import Batch, Block, Facts
from schemas.tables import columns

Names = tuple[str, ...]


def step(batch: Batch, *, instruments: Names) -> Iterator[Struct]:
    """The facts of a batch, each kind in log order."""
    yield from batch.dead
    yield from late_trades(batch, instruments)
    yield from batch.signals
    if len(batch.bars):
        yield Block(Bar, columns_of(batch.partition, batch.bars, instruments))


def columns_of(partition: str, bars: Bars, instruments: Names) -> Any:
    """Bars as rows of their table; names of the instruments by number."""
    told: dict[str, Any] = dict(zip(bars.names(), bars.arrays(), strict=True))
    # Lists: Arrow's own functions take longer to be imported.
    numbers, venues = bars.instrument.tolist(), venues_of(instruments)
    told["instrument"] = [instruments[number] for number in numbers]
    told["venue"] = [venues[number] for number in numbers]
    told["partition"] = [partition] * len(numbers)
    named = columns(Bar)
    arrays = [pa.array(told[each.field], each.arrow) for each in named]
    return pa.RecordBatch.from_arrays(arrays, [each.name for each in named])


@cache
def venues_of(instruments: Names) -> Names:
    """The venue of each instrument."""
    return tuple(name.partition(".")[2] for name in instruments)


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
        told = tuple(step(batch, instruments=instruments))
        if told:
            yield told

    return op.flat_map_value("each", up, each)
