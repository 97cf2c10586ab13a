"""Bars and scores become signals, and signals intents: each declared strategy on its instruments.

bars, scores   b1       b2  b3        in log order
ema_cross      -        S   -
reversion      -        S   -         the signals of a bar in the order of the strategies' names
intents                 I I           one for each signal: order_plan.py

A strategy is a kernel over columns of bars. It gives a *forecast* for each bar, a signed number:
above zero it would buy, below zero it would sell, zero is none; its absolute value is the strength.
Its state is a row of float64 for each instrument, zeros at first.
"""

from collections.abc import Callable, Iterable
from typing import Any, ClassVar, NamedTuple

import bytewax.operators as op
import numpy as np
from bytewax.dataflow import operator
from bytewax.operators import KeyedStream
from msgspec import Struct

from tapeflow.engine.fold import fold
from tapeflow.engine.renumbering import GONE, keep_rows
from tapeflow.operators.strategies import ema_cross, reversion
from tapeflow.operators.strategies.order_plan import make_intent
from tapeflow.schemas.bar import bar_id
from tapeflow.schemas.batches import Batch
from tapeflow.schemas.columns import Bools, Floats, Ints
from tapeflow.schemas.ids import derive_id
from tapeflow.schemas.instruments import InstrumentTable
from tapeflow.schemas.market import Bars
from tapeflow.schemas.sides import BUY, SELL
from tapeflow.schemas.signals import DeclaredStrategy, Signal


class Kind(NamedTuple):
    """A kind of strategy: its kernel, and how many numbers it keeps for each instrument."""

    kernel: Callable[..., None]
    width: int


STRATEGIES = {
    "ema_cross": Kind(ema_cross.step, ema_cross.WIDTH),
    "reversion": Kind(reversion.step, reversion.WIDTH),
}

State = dict[str, Floats]  # by strategy: (instruments, width), changed in place


class BoundStrategy(Struct, frozen=True):
    """A strategy bound to the instruments of a job."""

    strategy: DeclaredStrategy
    instruments: InstrumentTable  # of the job
    mask: Bools  # by number: whether it trades the instrument

    @property
    def kind(self) -> Kind:
        """Return the kernel of the strategy, and the width of its state."""
        return STRATEGIES[self.strategy.kind]

    def initial(self) -> Floats:
        """Return the state before the first bar."""
        return np.zeros((len(self.instruments), self.kind.width))

    def evaluate(self, state: Floats, bars: Bars, scores: Floats) -> Iterable[tuple[int, float]]:
        """Evaluate the strategy on the bars of its instruments, and update its state.

        `state`: (instruments, width). `scores`: (len(bars),), NaN where there is none. Yields (row,
        forecast) of each finite forecast that is not zero.
        """
        rows = np.flatnonzero(self.mask[bars.instrument])
        forecasts = np.zeros(len(rows))
        columns = (bars.instrument[rows], bars.close[rows], scores[rows])
        try:
            with np.errstate(all="ignore"):  # without numba
                self.kind.kernel(state, *columns, forecasts, **self.strategy.params)
        except Exception as error:
            error.add_note(f"in strategy {self.strategy.name}")
            raise
        hits = np.flatnonzero((forecasts != 0) & np.isfinite(forecasts))
        return zip(rows[hits].tolist(), forecasts[hits].tolist(), strict=True)


def bind(
    strategies: Iterable[DeclaredStrategy], table: InstrumentTable
) -> tuple[BoundStrategy, ...]:
    """Bind strategies, in the order of their names, to the instruments of a job."""
    return tuple(
        BoundStrategy(
            each, table, np.array([name in each.instruments for name in table.ids], np.bool_)
        )
        for each in sorted(strategies, key=lambda strategy: strategy.name.encode())
    )


def make_signal(bound: BoundStrategy, batch: Batch, row: int, forecast: float) -> Signal:
    """Return the signal of a forecast for the bar in `row` of the batch."""
    bars, strategy = batch.bars, bound.strategy.name
    instrument = bound.instruments.ids[bars.instrument[row]]
    close_ns = int(bars.close_ns[row])
    cause = bar_id(instrument, int(bars.open_ns[row]), close_ns)
    return Signal(
        id=derive_id("signal", strategy, cause),
        strategy=strategy,
        instrument=instrument,
        time_ns=int(bars.log_ns[row]),
        side=BUY if forecast > 0 else SELL,
        strength=abs(forecast),
        bar_id=cause,
        close_ns=close_ns,
        ref_price=float(bars.close[row]),
        partition=batch.partition,
        offset=int(bars.offset[row]),
    )


class EvaluateStrategies(Struct, frozen=True):
    """Evaluates every strategy on every batch with bars."""

    VERSION: ClassVar[int] = 4

    strategies: tuple[BoundStrategy, ...]

    def initial(self) -> State:
        """Return the state of each strategy before the first bar."""
        return {each.strategy.name: each.initial() for each in self.strategies}

    def step(self, state: State, batch: Batch) -> tuple[State, Iterable[Batch]]:
        """Add the signals and intents of the batch's bars, in the order of bar, then strategy."""
        if not len(batch.bars):
            return state, (batch,)
        forecasts = sorted(
            (row, number, forecast)
            for number, each in enumerate(self.strategies)
            for row, forecast in each.evaluate(state[each.strategy.name], batch.bars, batch.scores)
        )
        signals, intents = [], []
        for row, number, forecast in forecasts:
            bound = self.strategies[number]
            signal = make_signal(bound, batch, row, forecast)
            signals.append(signal)
            instrument = bound.instruments.get(signal.instrument)
            intents.append(make_intent(bound.strategy, signal, instrument))
        return state, (batch.replace(signals=tuple(signals), intents=tuple(intents)),)

    def snapshot(self, state: State) -> dict[str, tuple[str, dict[str, float], bytes, bytes]]:
        """Return (kind, parameters, instruments, rows) by strategy; rows of zeros are left out."""
        snapshot = {}
        for strategy in (each.strategy for each in self.strategies):
            rows = state[strategy.name]
            numbers = np.flatnonzero(rows.any(axis=1))
            known = numbers.tobytes(), rows[numbers].tobytes()
            snapshot[strategy.name] = (strategy.kind, strategy.params, *known)
        return snapshot

    def restore(self, snapshot: dict[str, tuple[str, dict[str, float], bytes, bytes]]) -> State:
        """Return the states of a snapshot; a strategy whose declaration has changed starts over."""
        state = self.initial()
        for strategy in (each.strategy for each in self.strategies):
            kind, params, numbers, rows = snapshot.get(strategy.name, ("", {}, b"", b""))
            if (kind, params) == (strategy.kind, strategy.params):
                target = state[strategy.name]
                target[np.frombuffer(numbers, np.int64)] = np.frombuffer(rows).reshape(
                    -1, target.shape[1]
                )
        return state

    def renumber(self, snapshot: dict[str, Any], numbers: Ints) -> dict[str, Any]:
        """Return the snapshot of another table of instruments with the numbers of this one."""
        moved = {}
        for name, (kind, params, known, rows) in snapshot.items():
            after = numbers[np.frombuffer(known, np.int64)]
            here = after != GONE
            moved[name] = kind, params, after[here].tobytes(), keep_rows(rows, here)
        return moved


@operator
def signals(
    step_id: str,
    up: KeyedStream[Batch],
    *,
    strategies: tuple[DeclaredStrategy, ...],
    instruments: InstrumentTable,
) -> KeyedStream[Batch]:
    """Evaluate strategies on the bars of a partition."""
    step = EvaluateStrategies(bind(strategies, instruments))
    return op.stateful_batch("state", up, fold(step, rows=instruments.ids))
