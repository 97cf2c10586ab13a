"""Counts the records about instruments that the job does not list, by symbol and minute.

records     u u u | u ...        the first such record beyond a minute, or the end of the log,
rows               ^ counts      completes its rows
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar

import bytewax.operators as op
from bytewax.dataflow import operator
from bytewax.operators import KeyedStream
from msgspec import Struct, structs

from tapeflow.engine.fold import fold
from tapeflow.schemas.batches import Batch, UnlistedRecords
from tapeflow.schemas.quality import UnlistedSymbol
from tapeflow.schemas.time import NS_PER_MINUTE


@dataclass(slots=True)
class State:
    """The open minute of one partition, changed in place."""

    minute: int = -1
    records: dict[str, UnlistedRecords] = field(default_factory=dict)  # by symbol


class CountUnlisted(Struct, frozen=True):
    """Counts the records of each unlisted symbol by minute of log time."""

    VERSION: ClassVar[int] = 1

    def initial(self) -> State:
        """Return a state in which nothing was counted."""
        return State()

    def step(self, state: State, batch: Batch) -> tuple[State, Iterable[UnlistedSymbol]]:
        """Count a batch; return the rows of every minute that it ends."""
        rows: list[UnlistedSymbol] = []
        for new in batch.unlisted:
            if new.minute != state.minute:
                rows += minute_rows(state, batch.partition)
                state = State(new.minute)
            known = state.records.get(new.symbol)
            state.records[new.symbol] = new if known is None else known.merge(new)
        if batch.end_of_log:
            rows += minute_rows(state, batch.partition)
            state = State()
        return state, rows

    def snapshot(self, state: State) -> Any:
        """Return the open minute as plain values."""
        return state.minute, [structs.astuple(each) for each in state.records.values()]

    def restore(self, snapshot: Any) -> State:
        """Return the open minute of a snapshot."""
        minute, records = snapshot
        return State(minute, {row[0]: UnlistedRecords(*row) for row in records})


def minute_rows(state: State, partition: str) -> Iterator[UnlistedSymbol]:
    """Yield the counts of a minute that has ended, by symbol."""
    for symbol, found in sorted(state.records.items()):
        yield UnlistedSymbol(
            partition=partition,
            symbol=symbol,
            time_ns=found.minute * NS_PER_MINUTE,
            records=found.records,
            first_log_ns=found.first_log_ns,
            last_log_ns=found.last_log_ns,
            first_offset=found.first_offset,
        )


@operator
def unlisted(step_id: str, up: KeyedStream[Batch]) -> KeyedStream[tuple[UnlistedSymbol, ...]]:
    """Count unlisted symbols of each partition by minute; batches without any are passed over."""
    some = op.filter_value("some", up, lambda batch: bool(batch.unlisted) or batch.end_of_log)
    return op.stateful_batch("state", some, fold(CountUnlisted(), emit_batches=True))
