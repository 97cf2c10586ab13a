"""Bars and scores become signals, and signals intents: each declared strategy over its instruments.

bars, scores   b1       b2  b3        in log order
ema_cross      -        S   -
reversion      -        S   -         the signals of a bar in the order of the strategies' names
intents                 I I           one for each signal, of the strategy's size

A strategy looks at columns of bars and gives a *view* of each, a number: above zero it would buy,
below it would sell, zero is none; how far from zero is its strength. It knows of each instrument a
row of numbers, zeros at first.
"""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import bytewax.operators as op
import numpy as np
from bytewax.dataflow import operator
from bytewax.operators import KeyedStream
from msgspec import Struct

from tapeflow.engine.fold import fold
from tapeflow.operators.strategies import ema_cross, reversion
from tapeflow.schemas.batches import Batch
from tapeflow.schemas.columns import Bools, Floats
from tapeflow.schemas.ids import derive_id
from tapeflow.schemas.market import BUY, SELL, Bars, bar_id
from tapeflow.schemas.signals import Intent, Signal, Strategy

STATE_VERSION = 2
KINDS: dict[str, tuple[Callable[..., None], int]] = {  # its step, how many numbers it knows
    "ema_cross": (ema_cross.step, ema_cross.WIDTH),
    "reversion": (reversion.step, reversion.WIDTH),
}

State = dict[str, Floats]  # by strategy: what it knows, a row each instrument; the step owns it


class Asked(Struct, frozen=True):
    """A strategy over the instruments of a job."""

    strategy: Strategy
    names: tuple[str, ...]  # of all instruments, by number
    listens: Bools  # to which of them

    def views(self, known: Floats, bars: Bars, scores: Floats) -> Iterable[tuple[int, float]]:
        """What it says to which of these bars."""
        rows = np.flatnonzero(self.listens[bars.instrument])
        views = np.zeros(len(rows))
        ask = KINDS[self.strategy.kind][0]
        told = (bars.instrument[rows], bars.close[rows], scores[rows])
        with np.errstate(all="ignore"):  # without numba
            ask(known, *told, views, **self.strategy.params)
        said = np.flatnonzero((views != 0) & np.isfinite(views))  # inf or NaN is no view
        return zip(rows[said].tolist(), views[said].tolist(), strict=True)


def asked(strategies: Iterable[Strategy], names: tuple[str, ...]) -> tuple[Asked, ...]:
    """Strategies over the instruments of these names."""
    return tuple(
        Asked(each, names, np.array([name in each.instruments for name in names], np.bool_))
        for each in strategies
    )


def start(asked: Iterable[Asked]) -> State:
    """Nothing known."""
    return {each.strategy.name: ignorant(each) for each in asked}


def ignorant(asked: Asked) -> Floats:
    """What a strategy knows before its first bar."""
    return np.zeros((len(asked.names), KINDS[asked.strategy.kind][1]))


def step(state: State, batch: Batch, *, asked: tuple[Asked, ...]) -> tuple[State, Iterable[Batch]]:
    """Ask every strategy about the bars of its instruments."""
    if not len(batch.bars):
        return state, (batch,)
    said = sorted(
        (row, turn, view)
        for turn, each in enumerate(asked)
        for row, view in each.views(state[each.strategy.name], batch.bars, batch.scores)
    )
    signals = tuple(signal_of(asked[turn], batch, row, view) for row, turn, view in said)
    intents = tuple(
        Intent(asked[turn].strategy.account, signal, asked[turn].strategy.size)
        for signal, (_, turn, _) in zip(signals, said, strict=True)
    )
    return state, (batch.replace(signals=signals, intents=intents),)


def signal_of(asked: Asked, batch: Batch, row: int, view: float) -> Signal:
    """Sign a view of a bar: who, when, because of what."""
    bars, strategy = batch.bars, asked.strategy.name
    instrument = asked.names[bars.instrument[row]]
    close_ns = int(bars.close_ns[row])
    cause = bar_id(instrument, int(bars.open_ns[row]), close_ns)
    return Signal(
        id=derive_id("signal", strategy, cause),
        strategy=strategy,
        instrument=instrument,
        time_ns=int(bars.log_ns[row]),
        side=BUY if view > 0 else SELL,
        strength=abs(view),
        cause=cause,
        close_ns=close_ns,
        ref_price=float(bars.close[row]),
        partition=batch.partition,
        offset=int(bars.offset[row]),
    )


def keep(state: State, *, asked: tuple[Asked, ...]) -> Any:
    """What each strategy is, and knows of the instruments that it has heard of, as bytes."""
    kept = {}
    for each in (one.strategy for one in asked):
        heard = np.flatnonzero(state[each.name].any(axis=1))
        known = state[each.name][heard]
        kept[each.name] = each.kind, each.params, heard.tobytes(), known.tobytes()
    return STATE_VERSION, kept


def resume(kept: Any, *, asked: tuple[Asked, ...]) -> State:
    """What each strategy knew; one that is declared otherwise now begins anew."""
    version, were = kept
    assert version == STATE_VERSION, f"signal state of version {version}"
    state = start(asked)
    for each in asked:
        kind, params, heard, known = were.get(each.strategy.name, ("", {}, b"", b""))
        if (kind, params) == (each.strategy.kind, each.strategy.params):
            mine = state[each.strategy.name]
            mine[np.frombuffer(heard, np.int64)] = np.frombuffer(known).reshape(-1, mine.shape[1])
    return state


@operator
def signals(
    step_id: str,
    up: KeyedStream[Batch],
    *,
    strategies: tuple[Strategy, ...],
    names: tuple[str, ...],
) -> KeyedStream[Batch]:
    """Run the strategies, in the order of their names, over the bars of instruments by number."""
    ordered = asked(sorted(strategies, key=lambda each: each.name.encode()), names)
    build = fold(
        partial(step, asked=ordered),
        partial(start, ordered),
        partial(keep, asked=ordered),
        partial(resume, asked=ordered),
    )
    return op.stateful_batch("asked", up, build)
