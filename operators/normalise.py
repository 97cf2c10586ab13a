"""How unusual is a bar's return against the ones before it? A z-score over a window of bars.

    closes    100  101  100.5  ...                  103
    returns        r1   r2     ...  r(window)       r
    scores    -    -    -      ...  -               (r - mean) / sigma of the window before r

Judge, then learn: a return is scored before it joins its window.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import bytewax.operators as op
import numpy as np
from bytewax.dataflow import operator
from bytewax.operators import KeyedStream

from operators.compiled import compiled
from operators.fold import fold
from schemas.market import Floats
from schemas.pages import Batch

STATE_VERSION = 2


@dataclass(slots=True)
class Window:
    """The past of one instrument; the step owns it and changes it in place."""

    close: float  # of the last bar
    returns: Floats  # logarithmic, the last ones, in a ring
    count: int = 0  # returns so far; the newest stands before count % len(returns)


State = dict[str, Window]  # by instrument; the step owns it


def score(past: Window, close: float) -> float | None:
    """The z-score of the return to `close`, None before the window is full or where nothing moved.

    Two passes over the window: right when prices are large and moves are small.

    >>> window = Window(100.0, np.array([0.01, -0.01]), 2)
    >>> round(score(window, 102.0), 9)
    1.98026273
    """
    latest, size = log_return(past.close, close), len(past.returns)
    place = past.count % size
    value = None
    if past.count >= size:
        mean, sigma = moments(past.returns, place)
        value = (latest - mean) / sigma if sigma > 0 else None
    past.close, past.returns[place], past.count = close, latest, past.count + 1
    return value


@compiled
def moments(returns: Floats, oldest: int) -> tuple[float, float]:
    """Mean and standard deviation (of the whole, not of a sample), summed from the oldest on."""
    size = len(returns)
    total = 0.0
    for number in range(size):
        total += returns[(oldest + number) % size]
    mean = total / size
    squares = 0.0
    for number in range(size):
        squares += (returns[(oldest + number) % size] - mean) ** 2
    return mean, math.sqrt(squares / size)


def log_return(before: float, after: float) -> float:
    """The logarithm of the ratio, to the last digit; in two where the ratio is no float64."""
    ratio = after / before
    return math.log(ratio) if 0 < ratio < math.inf else math.log(after) - math.log(before)


def step(state: State, batch: Batch, *, window: int) -> tuple[State, Iterable[Batch]]:
    """Score every bar of the batch."""
    scores: list[float | None] = []
    for bar in batch.bars:
        past = state.get(bar.instrument)
        if past is None:
            state[bar.instrument] = Window(bar.close, np.zeros(window))
            scores.append(None)
        else:
            scores.append(score(past, bar.close))
    return state, (batch.but(scores=tuple(scores)),)


def keep(state: State) -> Any:
    """Plain tuples."""
    kept = {name: (past.close, past.returns.tobytes(), past.count) for name, past in state.items()}
    return STATE_VERSION, kept


def resume(kept: Any) -> State:
    """The windows again."""
    version, windows = kept
    assert version == STATE_VERSION, f"normalise state of version {version}"
    return {
        name: Window(close, np.frombuffer(returns).copy(), count)
        for name, (close, returns, count) in windows.items()
    }


@operator
def normalise(step_id: str, up: KeyedStream[Batch], *, window: int) -> KeyedStream[Batch]:
    """Score the returns of each instrument over its last `window` bars."""
    return op.stateful_batch("window", up, fold(partial(step, window=window), dict, keep, resume))
