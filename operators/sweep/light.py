"""Light portfolios: what desks of their own would make of many variants, in one compiled pass.

    LightBatch ──▶ merge ──▶ stops below the horizon ──▶ portfolio_kernel ──▶ intervals, at the end
    (partitions)             decisions, samples of equity

A variant of which something is not exact here (a price of more decimals than its tick) is left out
of the intervals: it needs a desk.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar

import bytewax.operators as op
import numpy as np
from bytewax.dataflow import operator
from bytewax.operators import KeyedStream
from msgspec import Struct

from tapeflow.engine.fold import fold
from tapeflow.operators.desk.marks import Marks
from tapeflow.operators.desk.merge import Merge
from tapeflow.operators.desk.settings import DeskSettings
from tapeflow.operators.sweep.forecasts import LightBatch
from tapeflow.operators.sweep.intervals import Totals, Track, first_length_ns
from tapeflow.operators.sweep.layout import (
    ACCOUNTS,
    AT_NS,
    COUNTERS,
    DECISION_WIDTH,
    FILL_PRICES,
    FILL_ROWS,
    FILL_WIDTH,
    FILLS,
    FREE,
    NEXT,
    ORDER_WIDTH,
    ORDERS,
    SAMPLE,
    STOP_KIND,
    STOP_NS,
    UNSURE,
)
from tapeflow.operators.sweep.portfolio_kernel import SAMPLE_ROWS, run_stops
from tapeflow.operators.sweep.released import NO_ROWS, Released, release
from tapeflow.operators.sweep.stops import all_stops, last_stop, take_decisions, take_samples
from tapeflow.schemas.columns import Ints2
from tapeflow.schemas.time import MAX_NS
from tapeflow.schemas.variants import VariantInterval

SAMPLES_AT_ONCE = 64


class LightVariants(Struct, frozen=True):
    """The variants of light portfolios, and the arrays that they begin with."""

    names: tuple[str, ...]
    settings: DeskSettings
    ranks: tuple[int, ...]  # by number of an instrument: its place among the ids as bytes
    arrays: tuple[Any, ...]  # as in layout.py, before the first record


@dataclass(slots=True)
class State:
    """The merge, and the arrays of all portfolios; changed in place."""

    merge: Merge
    arrays: list[Any]
    track: Track
    begin_ns: int = MAX_NS
    decisions: Ints2 = field(default_factory=lambda: np.empty((0, DECISION_WIDTH), np.int64))
    samples: set[int] = field(default_factory=set)  # log times that are not certain yet
    fills: list[tuple[Any, Any]] = field(default_factory=list)  # where they are collected


class LightPortfolios(Struct, frozen=True):
    """Runs the portfolios of all variants over the batches of all partitions."""

    VERSION: ClassVar[int] = 1

    variants: LightVariants
    collects_fills: bool = False  # in the state, for tests

    def initial(self) -> State:
        """Return the state before any record."""
        settings = self.variants.settings
        merge = Merge(settings.partitions, Marks.empty(0), settings.venue_clock)
        arrays = [each.copy() for each in self.variants.arrays]
        return State(merge, arrays, Track(first_length_ns(settings.sample_ns)))

    def step(self, state: State, value: LightBatch) -> tuple[State, list[VariantInterval]]:
        """Add a batch, run all that is below the new horizon; at the end return the intervals."""
        state.begin_ns = min(state.begin_ns, value.begin_ns)
        state.merge.add(value.batch)
        if len(value.decisions):
            ranked = value.decisions.copy()
            ranked[:, 1] = sorted(self.variants.settings.partitions).index(value.batch.partition)
            state.decisions = np.concatenate([state.decisions, ranked])
        if not state.merge.advance():
            return state, []
        self.run(state)
        if not state.merge.ended:
            return state, []
        self.call(state, last_stop(), 1, NO_ROWS, np.empty((0, DECISION_WIDTH), np.int64))
        return state, list(self.report(state))

    def run(self, state: State) -> None:
        """Run everything below the horizon."""
        settings, names = self.variants.settings, sorted(self.variants.settings.partitions)
        rows = release(state.merge, names)
        decisions = take_decisions(state, names, np.array(self.variants.ranks))
        trades = decisions[:, AT_NS] >= settings.trading_begin_ns(state.merge.first_ns)
        decisions = np.ascontiguousarray(decisions[trades])
        times = take_samples(state, rows, settings.sample_ns)
        stops = all_stops(decisions, times, state.merge.horizon, names)
        self.make_room(state, len(decisions))
        for begin, end, samples in parts_of(stops):
            self.call(state, stops[begin:end], samples, rows, decisions)

    def call(
        self, state: State, stops: Ints2, samples: int, rows: Released, decisions: Ints2
    ) -> None:
        """Call the kernel for some stops, and take in the samples of equity that it wrote."""
        sampled = np.zeros((SAMPLE_ROWS * samples, len(self.variants.names)), np.int64)
        arrays = tuple(state.arrays)
        run_stops(arrays, stops, decisions, rows.trades, rows.quotes, rows.cursors, sampled)
        times = stops[stops[:, STOP_KIND] == SAMPLE, STOP_NS]
        for number, time_ns in enumerate(times.tolist()):
            equity, *totals = sampled[SAMPLE_ROWS * number : SAMPLE_ROWS * (number + 1)]
            at_ns = state.merge.log_ns + 1 if time_ns == MAX_NS else time_ns
            state.track.sample(at_ns, equity, Totals(*totals))
        counters = state.arrays[COUNTERS]
        if self.collects_fills and counters[FILLS]:
            several = slice(None, int(counters[FILLS]))
            state.fills.append(
                tuple(state.arrays[each][several].copy() for each in (FILL_ROWS, FILL_PRICES))
            )
        counters[FILLS] = 0

    def make_room(self, state: State, decisions: int) -> None:
        """Make room for as many orders as are decided, and for their fills."""
        orders, counters = state.arrays[ORDERS], state.arrays[COUNTERS]
        free, at = 0, int(counters[FREE])
        while at >= 0 and free < decisions:
            free, at = free + 1, int(orders[at, NEXT])
        if free < decisions:
            before = len(orders)
            more = np.zeros((max(decisions, before), ORDER_WIDTH), np.int64)
            more[:, NEXT] = np.arange(before + 1, before + len(more) + 1)
            more[-1, NEXT] = counters[FREE]
            counters[FREE] = before
            state.arrays[ORDERS] = np.concatenate([orders, more])
        room = len(state.arrays[ORDERS]) + decisions
        if len(state.arrays[FILL_ROWS]) < room:
            state.arrays[FILL_ROWS] = np.zeros((2 * room, FILL_WIDTH), np.int64)
            state.arrays[FILL_PRICES] = np.zeros(2 * room)

    def report(self, state: State) -> Iterator[VariantInterval]:
        """Yield the intervals of all variants that are exact."""
        digits, end_ns = self.variants.settings.money.digits, state.merge.log_ns + 1
        unsure = state.arrays[ACCOUNTS][:, UNSURE]
        left_out = {name for name, each in zip(self.variants.names, unsure, strict=True) if each}
        for row in state.track.rows(self.variants.names, state.begin_ns, end_ns, digits):
            if row.variant not in left_out:
                yield row

    def snapshot(self, state: State) -> bytes:
        """Return nothing: a sweep starts over."""
        return b""

    def restore(self, snapshot: bytes) -> State:
        """Return the state before any record."""
        return self.initial()


def parts_of(stops: Ints2) -> Iterator[tuple[int, int, int]]:
    """Yield begin, end and samples of runs of stops, with a bounded number of samples each."""
    begin = samples = 0
    for number in np.flatnonzero(stops[:, STOP_KIND] == SAMPLE).tolist():
        samples += 1
        if samples == SAMPLES_AT_ONCE:
            yield begin, number + 1, samples
            begin, samples = number + 1, 0
    if begin < len(stops):
        yield begin, len(stops), samples


@operator
def light_portfolios(
    step_id: str, up: KeyedStream[LightBatch], *, variants: LightVariants
) -> KeyedStream[tuple[VariantInterval, ...]]:
    """Run the light portfolios of all variants; there is one key."""
    return op.stateful_batch("state", up, fold(LightPortfolios(variants), emit_batches=True))
