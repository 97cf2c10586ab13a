"""The z-score of a bar's return: how unusual it is against the returns before it.

    closes    100  101  100.5  ...                  103
    returns        r1   r2     ...  r(window)       r
    scores    -    -    -      ...  -               (r - mean) / sigma of the window before r

A return is scored before it joins its window: a score never sees itself.

    >>> close, scores = np.array([100.0, 101.0, 100.0, 101.0, 104.0]), np.empty(5)
    >>> state = Normalise(window=2, instruments=1).initial()
    >>> past = (state.last_close, state.returns, state.returns_seen)
    >>> zscores(np.zeros(5, np.int64), close, *past, scores)
    >>> scores.round(2).tolist()
    [nan, nan, nan, 1.0, 2.94]

Source: the standard score with the population's standard deviation (ddof 0), over log returns.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import bytewax.operators as op
import numpy as np
from bytewax.dataflow import operator
from bytewax.operators import KeyedStream
from msgspec import Struct

from tapeflow.engine.compiled import by_numbers, compiled
from tapeflow.engine.fold import fold
from tapeflow.schemas.batches import Batch
from tapeflow.schemas.columns import Floats, Floats2, Ints, Written


@dataclass(slots=True)
class State:
    """The last returns of each instrument, by its number, changed in place."""

    last_close: Floats  # (instruments,) NaN before the first bar
    returns: Floats  # (instruments, window) logarithmic, the last ones, in rings
    returns_seen: Ints  # (instruments,) so far; the next one goes to returns_seen % window


@compiled
@by_numbers
def zscores(
    instrument: Ints,
    close: Floats,
    last_close: Written[Floats],
    returns: Written[Floats2],
    returns_seen: Written[Ints],
    scores: Written[Floats],
) -> None:
    """Write the z-score of each bar's return, NaN where there is none, then add the return.

    `instrument`, `close` and `scores` are by bar; the others are the state, by instrument. Mean and
    standard deviation (of the population) in two passes from the oldest on: exact enough when
    prices are large and moves are small.
    """
    size = returns.shape[1]
    for row in range(len(close)):
        number = instrument[row]
        before, last_close[number] = last_close[number], close[row]
        scores[row] = math.nan
        if math.isnan(before):
            continue
        ratio = close[row] / before
        if 0 < ratio < math.inf:
            latest = math.log(ratio)
        else:
            latest = math.log(close[row]) - math.log(before)
        oldest = returns_seen[number] % size
        if returns_seen[number] >= size:
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
        returns_seen[number] += 1


class Normalise(Struct, frozen=True):
    """Scores the return of each bar against the `window` returns before it."""

    VERSION: ClassVar[int] = 4

    window: int  # bars
    instruments: int  # in the job's table

    def initial(self) -> State:
        """Return rings without a bar."""
        return State(
            np.full(self.instruments, math.nan),
            np.zeros((self.instruments, self.window)),
            np.zeros(self.instruments, np.int64),
        )

    def step(self, state: State, batch: Batch) -> tuple[State, Iterable[Batch]]:
        """Score every bar of the batch, NaN where there is no score."""
        bars = batch.bars
        if not len(bars):
            return state, (batch,)
        scores = np.empty(len(bars))
        with np.errstate(over="ignore"):  # without numba: a ratio of prices may overflow
            zscores(
                bars.instrument,
                bars.close,
                state.last_close,
                state.returns,
                state.returns_seen,
                scores,
            )
        return state, (batch.replace(scores=scores),)

    def snapshot(self, state: State) -> tuple[bytes, ...]:
        """Return, as bytes, the number, last close, returns and count of instruments with a bar."""
        numbers = np.flatnonzero(~np.isnan(state.last_close))
        columns = (state.last_close, state.returns, state.returns_seen)
        return numbers.tobytes(), *(column[numbers].tobytes() for column in columns)

    def restore(self, snapshot: tuple[bytes, ...]) -> State:
        """Return the rings of a snapshot."""
        numbers, last_close, returns, returns_seen = snapshot
        state, rows = self.initial(), np.frombuffer(numbers, np.int64)
        state.last_close[rows] = np.frombuffer(last_close)
        state.returns[rows] = np.frombuffer(returns).reshape(-1, self.window)
        state.returns_seen[rows] = np.frombuffer(returns_seen, np.int64)
        return state


@operator
def normalise(
    step_id: str, up: KeyedStream[Batch], *, window: int, instruments: int
) -> KeyedStream[Batch]:
    """Score the returns of `instruments` instruments, each over its last `window` bars."""
    return op.stateful_batch("state", up, fold(Normalise(window, instruments)))
