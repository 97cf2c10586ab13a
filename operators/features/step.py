"""Features of bars: those that strategies need, of the bars of each kind.

    bars        b1    b2    b3              other_bars["1h"]    b4
    rsi:14      NaN   NaN   61.2            rsi:14@1h           48.0

A feature is NaN before its warm-up. At a bar behind a hole in the prices of its instrument all
features of that kind begin anew (holes.py): no value is of both sides of it.

A feature that a state does not have yet begins with the next bar; so do all where the state has not
seen every record, because for a time the job needed none.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

import bytewax.operators as op
import numpy as np
from bytewax.dataflow import operator
from bytewax.operators import KeyedStream
from msgspec import Struct

from tapeflow.engine.fold import fold
from tapeflow.engine.renumbering import GONE, keep_rows
from tapeflow.operators.features.holes import NEVER_NS, find_holes
from tapeflow.operators.features.needed import Needed, NeededFeature, Rows, keep_needed, kinds_of
from tapeflow.schemas.batches import Batch
from tapeflow.schemas.columns import Floats, Ints
from tapeflow.schemas.market import Bars
from tapeflow.schemas.time import MAX_NS

# offset of the last record; by kind: instruments with bars, ends of the last ones, rows by feature
Snapshot = tuple[int, dict[str, tuple[bytes, bytes, dict[str, Rows]]]]


@dataclass(slots=True)
class State:
    """The states of all features, changed in place."""

    last_offset: int  # of the last record; -1: before any
    last_end_ns: dict[str, Ints]  # by kind: (instruments,)
    known: dict[str, Any]  # by feature


class ComputeFeatures(Struct, frozen=True):
    """Computes features at every bar."""

    VERSION: ClassVar[int] = 1

    needed: tuple[Needed, ...]
    instruments: tuple[str, ...]  # ids by number
    hole_ns: int = MAX_NS  # longest time between two bars over which features go on

    def initial(self) -> State:
        """Return the state before the first bar."""
        count = len(self.instruments)
        return State(
            -1,
            {kind: np.full(count, NEVER_NS) for kind in kinds_of(self.needed)},
            {each.name: each.initial(count) for each in self.needed},
        )

    def step(self, state: State, batch: Batch) -> tuple[State, Iterable[Batch]]:
        """Add the features of the batch's bars; those of a kind without bars are left out."""
        if batch.last_offset is not None and state.last_offset not in (-1, batch.last_offset):
            state = self.initial()  # records have passed while the job needed no features
        state.last_offset = batch.next_offset - 1 if len(batch.log_ns) else state.last_offset
        found: dict[str, Floats] = {}
        for kind, needed in kinds_of(self.needed).items():
            bars = batch.other_bars.get(kind) if kind else batch.bars
            if bars is not None and len(bars):
                with np.errstate(all="ignore"):  # without numba
                    self.compute(state, kind, needed, bars, batch.partition, found)
        return state, (batch.replace(features=found) if found else batch,)

    def compute(
        self,
        state: State,
        kind: str,
        needed: list[Needed],
        bars: Bars,
        partition: str,
        found: dict[str, Floats],
    ) -> None:
        """Write to `found` the features of the bars of a kind, by need."""
        anew = np.empty(len(bars), np.bool_)
        times = bars.instrument, bars.open_ns, bars.close_ns
        find_holes(*times, self.hole_ns, state.last_end_ns[kind], anew)
        needs_values = any(isinstance(each, NeededFeature) for each in needed)
        values = [*bars.values(partition, self.instruments)] if needs_values else []
        for each in needed:
            out = each.compute(state.known[each.name], bars, anew, values)
            found.update({text: out[number] for text, number in each.outputs.items()})

    def snapshot(self, state: State) -> Snapshot:
        """Return, by kind, the instruments with bars, and their rows of each feature."""
        kinds = {}
        for kind, needed in kinds_of(self.needed).items():
            ends = state.last_end_ns[kind]
            numbers = np.flatnonzero(ends != NEVER_NS)
            rows = {each.name: each.snapshot(state.known[each.name], numbers) for each in needed}
            kinds[kind] = numbers.tobytes(), ends[numbers].tobytes(), rows
        return state.last_offset, kinds

    def restore(self, snapshot: Snapshot) -> State:
        """Return the state of a snapshot; features may have come and gone since."""
        state = self.initial()
        state.last_offset, kinds = snapshot
        for kind, needed in kinds_of(self.needed).items():
            encoded, ends, rows = kinds.get(kind, (b"", b"", {}))
            numbers = np.frombuffer(encoded, np.int64)
            state.last_end_ns[kind][numbers] = np.frombuffer(ends, np.int64)
            for each in needed:
                if each.name in rows:
                    each.restore(state.known[each.name], numbers, rows[each.name])
        return state

    def renumber(self, snapshot: Snapshot, numbers: Ints) -> Snapshot:
        """Return the snapshot of another table of instruments with the numbers of this one."""
        last_offset, kinds = snapshot
        moved = {}
        for kind, (encoded, ends, rows) in kinds.items():
            after = numbers[np.frombuffer(encoded, np.int64)]
            here = after != GONE
            still = {name: keep_needed(each, here) for name, each in rows.items()}
            moved[kind] = after[here].tobytes(), keep_rows(ends, here), still
        return last_offset, moved


@operator
def features(step_id: str, up: KeyedStream[Batch], *, step: ComputeFeatures) -> KeyedStream[Batch]:
    """Compute features of the bars of each partition."""
    return op.stateful_batch("state", up, fold(step, rows=step.instruments))
