"""Bars and scores become signals, and signals intents: each declared strategy over its instruments.

bars, scores   b1       b2  b3        in log order
ema_cross      -        S   -
reversion      -        S   -         the signals of a bar in the order of the strategies' names
intents                 I I           one for each signal, of the strategy's size
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import bytewax.operators as op
import msgspec
from bytewax.dataflow import operator
from bytewax.operators import KeyedStream

from operators.fold import fold
from operators.signals import ema_cross, reversion
from operators.signals.view import View
from schemas.ids import derive
from schemas.market import Bar
from schemas.pages import Batch
from schemas.trading import Intent, Signal, Strategy

STATE_VERSION = 1
KINDS: dict[str, tuple[Callable[..., tuple[Any, View | None]], type]] = {
    "ema_cross": (ema_cross.step, ema_cross.State),
    "reversion": (reversion.step, reversion.State),
}

State = dict[tuple[str, str], Any]  # by (strategy, instrument); the step owns it
Asked = Mapping[str, Sequence[tuple[Strategy, Callable[..., tuple[Any, View | None]]]]]


def asked(strategies: Iterable[Strategy]) -> Asked:
    """Whom to ask about a bar of an instrument, and how: bars need not look at all strategies."""
    found: defaultdict[str, list[tuple[Strategy, Callable[..., Any]]]] = defaultdict(list)
    for strategy in strategies:
        ask = partial(KINDS[strategy.kind][0], **strategy.params)
        for instrument in strategy.instruments:
            found[instrument].append((strategy, ask))
    return dict(found)


def step(state: State, batch: Batch, *, asked: Asked) -> tuple[State, Iterable[Batch]]:
    """Ask every strategy about every bar of its instruments."""
    signals, intents = [], []
    for bar, score in zip(batch.bars, batch.scores, strict=True):
        for strategy, ask in asked.get(bar.instrument, ()):
            key = (strategy.name, bar.instrument)
            state[key], view = ask(state.get(key), bar, score)
            if view is not None:
                signal = signal_of(strategy, bar, view)
                signals.append(signal)
                intents.append(Intent(strategy.account, signal, strategy.size))
    return state, (batch.but(signals=tuple(signals), intents=tuple(intents)),)


def signal_of(strategy: Strategy, bar: Bar, view: View) -> Signal:
    """Sign a view: who, when, because of what."""
    return Signal(
        id=derive("signal", strategy.name, bar.id),
        strategy=strategy.name,
        instrument=bar.instrument,
        time_ns=bar.log_ns,
        side=view.side,
        strength=view.strength,
        cause=bar.id,
        close_ns=bar.close_ns,
        ref_price=bar.close,
        partition=bar.partition,
        offset=bar.offset,
    )


def keep(state: State, *, strategies: tuple[Strategy, ...]) -> Any:
    """Plain tuples by strategy and instrument, and what each strategy was."""
    states = {key: msgspec.structs.astuple(mine) for key, mine in state.items()}
    return STATE_VERSION, {each.name: (each.kind, each.params) for each in strategies}, states


def resume(kept: Any, *, strategies: tuple[Strategy, ...]) -> State:
    """What each strategy knew; one that is declared otherwise now begins anew."""
    version, were, states = kept
    assert version == STATE_VERSION, f"signal state of version {version}"
    same = {
        each.name: KINDS[each.kind][1]
        for each in strategies
        if were.get(each.name) == (each.kind, each.params)
    }
    return {key: same[key[0]](*mine) for key, mine in states.items() if key[0] in same}


@operator
def signals(
    step_id: str, up: KeyedStream[Batch], *, strategies: tuple[Strategy, ...]
) -> KeyedStream[Batch]:
    """Run the strategies, in the order of their names, over the bars of each partition."""
    ordered = tuple(sorted(strategies, key=lambda each: each.name.encode()))
    build = fold(
        partial(step, asked=asked(ordered)),
        dict,
        partial(keep, strategies=ordered),
        partial(resume, strategies=ordered),
    )
    return op.stateful_batch("asked", up, build)
