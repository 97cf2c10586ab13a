"""What a batch has to tell the world: its bars, signals, late trades and dead letters."""

from collections.abc import Iterator
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


def step(batch: Batch, *, instruments: tuple[str, ...]) -> Iterator[Struct]:
    """The facts of a batch but its bars, each kind in log order."""
    yield from batch.dead
    yield from late_trades(batch, instruments)
    yield from batch.signals


def columns_of(partition: str, bars: Bars, names: Any, venues: Any) -> Any:
    """Bars as rows of their table; names and venues of the instruments by number."""
    told = {name: column for name, column in zip(bars.names(), bars.arrays(), strict=True)}
    told["instrument"] = names.take(pa.array(bars.instrument))
    told["venue"] = venues.take(pa.array(bars.instrument))
    told["partition"] = pa.repeat(partition, len(bars))
    named = columns(Bar)
    arrays = [pa.array(told[each.field], each.arrow) for each in named]
    return pa.RecordBatch.from_arrays(arrays, [each.name for each in named])


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
    names = pa.array(instruments)
    venues = pa.array([name.partition(".")[2] for name in instruments])

    def each(batch: Batch) -> Iterator[Facts]:
        told = [*step(batch, instruments=instruments)]
        if batch.closed is not None and batch.bars:
            told.append(Block(batch.bars, columns_of(batch.partition, batch.closed, names, venues)))
        if told:
            yield tuple(told)

    return op.flat_map_value("each", up, each)
