"""How unusual is a bar's return against the ones before it? A z-score over a window of bars.

    closes    100  101  100.5  ...                  103
    returns        r1   r2     ...  r(window)       r
    scores    -    -    -      ...  -               (r - mean) / sigma of the window before r

Judge, then learn: a return is scored before it joins its window.
"""

import math
from collections.abc import Iterable
from functools import partial
from typing import Any

import bytewax.operators as op
from bytewax.dataflow import operator
from bytewax.operators import KeyedStream
from msgspec import Struct

from operators.fold import fold
from schemas.pages import Batch

STATE_VERSION = 1


class Window(Struct, frozen=True):
    """The past of one instrument."""

    close: float  # of the last bar
    returns: tuple[float, ...] = ()  # logarithmic, at most a window of them, oldest first


State = dict[str, Window]  # by instrument; the step owns it


def score(past: Window | None, close: float, *, window: int) -> tuple[Window, float | None]:
    """The z-score of the return to `close`, None before the window is full or where nothing moved.

    Two passes over the window, exact when prices are large and moves are small.

    >>> round(score(Window(100.0, (0.01, -0.01)), 102.0, window=2)[1], 9)
    1.98026273
    """
    if past is None:
        return Window(close), None
    latest = log_return(past.close, close)
    value = None
    if len(past.returns) == window:
        mean = math.fsum(past.returns) / window
        variance = math.fsum((each - mean) ** 2 for each in past.returns) / window
        value = (latest - mean) / math.sqrt(variance) if variance > 0 else None
    return Window(close, (*past.returns, latest)[-window:]), value


def log_return(before: float, after: float) -> float:
    """The logarithm of the ratio, to the last digit; in two where the ratio is no float64."""
    ratio = after / before
    return math.log(ratio) if 0 < ratio < math.inf else math.log(after) - math.log(before)


def step(state: State, batch: Batch, *, window: int) -> tuple[State, Iterable[Batch]]:
    """Score every bar of the batch."""
    scores = []
    for bar in batch.bars:
        state[bar.instrument], value = score(state.get(bar.instrument), bar.close, window=window)
        scores.append(value)
    return state, (batch.but(scores=tuple(scores)),)


def keep(state: State) -> Any:
    """Plain tuples."""
    return STATE_VERSION, {name: (past.close, past.returns) for name, past in state.items()}


def resume(kept: Any) -> State:
    """The windows again."""
    version, windows = kept
    assert version == STATE_VERSION, f"normalise state of version {version}"
    return {name: Window(*past) for name, past in windows.items()}


@operator
def normalise(step_id: str, up: KeyedStream[Batch], *, window: int) -> KeyedStream[Batch]:
    """Score the returns of each instrument over its last `window` bars."""
    return op.stateful_batch("window", up, fold(partial(step, window=window), dict, keep, resume))
