"""Forecasts of all variants of a kernel: one compiled call for the bars of a page.

bars, scores ──▶ grid kernel ──▶ forecasts (variants, bars) ──▶ decisions, where they are not zero
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import bytewax.operators as op
import numpy as np
from bytewax.dataflow import operator
from bytewax.operators import KeyedStream
from msgspec import Struct

from tapeflow.engine.fold import fold
from tapeflow.operators.desk.selection import desk_batch
from tapeflow.operators.desk.settings import DeskSettings
from tapeflow.operators.desk.step import PORTFOLIO
from tapeflow.operators.sweep.grid_kernels import GRID_KINDS
from tapeflow.operators.sweep.layout import DECISION_WIDTH, NOT_TRADED, NOT_WHOLE
from tapeflow.schemas.batches import Batch, DeskBatch
from tapeflow.schemas.columns import Bools, Floats, Ints, Ints2
from tapeflow.schemas.decimals import PRICE_MAX, PRICE_MIN
from tapeflow.schemas.market import Bars
from tapeflow.schemas.sides import BUY, SELL
from tapeflow.schemas.time import MAX_NS

CELLS_MAX = 4_000_000  # forecasts at once


class Group(Struct, frozen=True):
    """The variants of one strategy, which differ in parameters alone."""

    kind: str
    first: int  # number of the first variant; they follow one another
    parameters: tuple[Mapping[str, Any], ...]  # by variant
    mask: Bools  # by instrument: whether it is traded

    def columns(self) -> tuple[Any, ...]:
        """Return each parameter as an array by variant."""
        return tuple(
            np.array([each[name] for each in self.parameters], kind)
            for name, kind in GRID_KINDS[self.kind].parameters
        )


class LightBatch(Struct, frozen=True, eq=False):
    """The part of a batch that light portfolios receive."""

    begin_ns: int  # log time of its first record
    batch: DeskBatch
    decisions: Ints2  # rows as in layout.py, their rank not known yet


class EvaluateVariants(Struct, frozen=True):
    """Evaluates all variants on every batch of a partition."""

    VERSION: ClassVar[int] = 1

    groups: tuple[Group, ...]
    settings: DeskSettings
    scales: Ints  # by instrument: steps of a price in one unit of it

    def initial(self) -> list[Floats]:
        """Return the state of each group before the first bar."""
        return [
            np.zeros((len(each.parameters) * len(each.mask), GRID_KINDS[each.kind].width))
            for each in self.groups
        ]

    def step(self, state: list[Floats], batch: Batch) -> tuple[list[Floats], tuple[LightBatch]]:
        """Return what the desk uses of a batch, and the decisions of its bars."""
        found = [np.empty((0, DECISION_WIDTH), np.int64)]
        if len(batch.bars):
            for group, own in zip(self.groups, state, strict=True):
                found += self.decide(group, own, batch.bars, batch.scores)
        begin_ns = int(batch.log_ns[0]) if len(batch.log_ns) else MAX_NS
        sent = desk_batch(batch.replace(intents=()), self.settings)
        return state, (LightBatch(begin_ns, sent, np.concatenate(found)),)

    def decide(self, group: Group, state: Floats, bars: Bars, scores: Floats) -> list[Ints2]:
        """Return the decisions of the variants of a group on some bars."""
        rows = np.flatnonzero(group.mask[bars.instrument])
        kind, count = GRID_KINDS[group.kind], len(group.parameters)
        columns, several = group.columns(), max(CELLS_MAX // count, 1)
        found = []
        for begin in range(0, len(rows), several):
            some = rows[begin : begin + several]
            forecasts = np.zeros((count, len(some)))
            read = (bars.instrument[some], bars.close[some], scores[some])
            with np.errstate(all="ignore"):  # without numba
                kind.kernel(state, *read, forecasts, len(group.mask), *columns)
            variants, hits = np.nonzero((forecasts != 0) & np.isfinite(forecasts))
            if len(hits):
                sides = np.where(forecasts[variants, hits] > 0, BUY, SELL)
                found.append(self.lay_out(bars, some[hits], group.first + variants, sides))
        return found

    def lay_out(self, bars: Bars, rows: Ints, variants: Ints, sides: Ints) -> Ints2:
        """Return decisions as rows."""
        number = bars.instrument[rows]
        steps = whole_steps(bars.close[rows], self.scales[number])
        log_ns, offset, close_ns = bars.log_ns[rows], bars.offset[rows], bars.close_ns[rows]
        columns = (log_ns, rows * 0, offset, close_ns, number, variants, sides, steps)
        return np.ascontiguousarray(np.stack(columns, axis=1))

    def snapshot(self, state: list[Floats]) -> bytes:
        """Return nothing: a sweep starts over."""
        return b""

    def restore(self, snapshot: bytes) -> list[Floats]:
        """Return the state before the first bar."""
        return self.initial()


def whole_steps(prices: Floats, scales: Ints) -> Ints:
    """Return prices in steps, NOT_WHOLE and NOT_TRADED of others: as orders_kernel.whole_steps."""
    with np.errstate(all="ignore"):
        scaled = prices * scales
        steps = np.where(scaled < 1e15, np.floor(scaled + 0.5), -1.0)
        is_whole = (steps >= 0) & (steps / scales == prices)
        found = np.where(is_whole, steps, NOT_WHOLE)
        in_range = (prices >= PRICE_MIN) & (prices < PRICE_MAX)
    return np.where(in_range, found, NOT_TRADED).astype(np.int64)


@operator
def forecasts(
    step_id: str, up: KeyedStream[Batch], *, step: EvaluateVariants
) -> KeyedStream[LightBatch]:
    """Evaluate all variants on the bars of each partition, and send the one that merges them."""
    evaluated = op.stateful_batch("state", up, fold(step))
    return op.map("batch", evaluated, lambda keyed: (PORTFOLIO, keyed[1]))
