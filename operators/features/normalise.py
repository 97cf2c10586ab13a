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

from tapeflow.engine.compiled import compiled
from tapeflow.engine.fold import fold
from tapeflow.schemas.batches import Batch
from tapeflow.schemas.columns import Floats, Ints

STATE_VERSION = 3


@dataclass(slots=True)
class State:
    """The past of each instrument, by its number; the step owns it and changes it in place."""

    close: Floats  # of the last bar, NaN before the first
    returns: Floats  # (instruments, window) logarithmic, the last ones, in rings
    count: Ints  # returns so far; the newest stands before count % window


def start(instruments: int, *, window: int) -> State:
    """No bar yet."""
    return State(
        np.full(instruments, math.nan),
        np.zeros((instruments, window)),
        np.zeros(instruments, np.int64),
    )


def step(state: State, batch: Batch) -> tuple[State, Iterable[Batch]]:
    """Score every bar of the batch."""
    bars = batch.bars
    if not len(bars):
        return state, (batch,)
    scores = np.empty(len(bars))
    with np.errstate(over="ignore"):  # without numba: a ratio of prices may be no float64
        zscores(bars.instrument, bars.close, state.close, state.returns, state.count, scores)
    return state, (batch.replace(scores=scores),)


@compiled
def zscores(
    instrument: Ints, close: Floats, last: Floats, returns: Floats, counts: Ints, scores: Floats
) -> None:
    """Write the z-score of the return to each close, NaN where there is none, and learn it.

    Mean and standard deviation (of the whole, not of a sample) in two passes from the oldest on:
    right when prices are large and moves are small.
    """
    size = returns.shape[1]
    for row in range(len(close)):
        number = instrument[row]
        before, last[number] = last[number], close[row]
        scores[row] = math.nan
        if math.isnan(before):
            continue
        ratio = close[row] / before
        if 0 < ratio < math.inf:
            latest = math.log(ratio)
        else:
            latest = math.log(close[row]) - math.log(before)
        oldest = counts[number] % size
        if counts[number] >= size:
            total = 0.0
            for at in range(size):
                total += returns[number, (oldest + at) % size]
            mean = total / size
            squares = 0.0
            for at in range(size):
                off = returns[number, (oldest + at) % size] - mean
                squares += off * off  # not ** 2: Python's power may differ in the last digit
            sigma = math.sqrt(squares / size)
            if sigma > 0:
                scores[row] = (latest - mean) / sigma
        returns[number, oldest] = latest
        counts[number] += 1


def keep(state: State) -> Any:
    """The shape of the rings, and of the instruments heard of what is known, as plain bytes."""
    heard = np.flatnonzero(~np.isnan(state.close))
    known = (state.close[heard], state.returns[heard], state.count[heard])
    return STATE_VERSION, state.returns.shape, *(each.tobytes() for each in (heard, *known))


def resume(kept: Any) -> State:
    """The windows again."""
    version, (instruments, window), *told = kept
    assert version == STATE_VERSION, f"normalise state of version {version}"
    numbers, close, returns, count = told
    state, heard = start(instruments, window=window), np.frombuffer(numbers, np.int64)
    state.close[heard] = np.frombuffer(close)
    state.returns[heard] = np.frombuffer(returns).reshape(-1, window)
    state.count[heard] = np.frombuffer(count, np.int64)
    return state


@operator
def normalise(
    step_id: str, up: KeyedStream[Batch], *, window: int, instruments: int
) -> KeyedStream[Batch]:
    """Score the returns of so many instruments, each over its last `window` bars."""
    begin = partial(start, instruments, window=window)
    return op.stateful_batch("window", up, fold(step, begin, keep, resume))
