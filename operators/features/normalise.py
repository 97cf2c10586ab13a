"""The z-score of a bar's return: how unusual it is against the returns before it.

    closes    100  101  100.5  ...                  103
    returns        r1   r2     ...  r(window)       r
    scores    -    -    -      ...  -               (r - mean) / sigma of the window before r

A return is scored before it joins its window: a score never sees itself.

A bar that begins more than `hole_ns` after the end of the one before has no return, no score and
no part in the window: the price moved unseen, for as long as many returns, and its move is none of
one bar. It is a missing value. The returns before the hole stay in the window: they are still the
last that were seen, each of one bar, and say as much of what is usual as before.

    >>> close, scores = np.array([100.0, 101.0, 100.0, 101.0, 104.0]), np.empty(5)
    >>> state = Normalise(window=2, instruments=1).initial()
    >>> past = (state.last_close, state.last_end_ns, state.returns, state.returns_seen)
    >>> opens, hole_ns = np.arange(5), 0
    >>> zscores(np.zeros(5, np.int64), opens, opens + 1, close, hole_ns, *past, scores)
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

from tapeflow.engine.compiled import by_numbers, compiled, inlined
from tapeflow.engine.fold import fold
from tapeflow.engine.renumbering import GONE, keep_rows
from tapeflow.schemas.batches import Batch
from tapeflow.schemas.columns import Floats, Floats2, Ints, Written
from tapeflow.schemas.time import MAX_NS


@dataclass(slots=True)
class State:
    """The last returns of each instrument, by its number, changed in place."""

    last_close: Floats  # (instruments,) NaN before the first bar
    last_end_ns: Ints  # (instruments,) end of the last bar, in event time
    returns: Floats  # (instruments, window) logarithmic, the last ones, in rings
    returns_seen: Ints  # (instruments,) so far; the next one goes to returns_seen % window


@inlined
def log_return(before: float, after: float) -> float:
    """Return log(after / before), also where the ratio is too large or too small for a float."""
    ratio = after / before
    if 0 < ratio < math.inf:
        return math.log(ratio)
    return math.log(after) - math.log(before)


@compiled
@by_numbers
def zscores(  # a kernel takes plain arrays
    instrument: Ints,
    open_ns: Ints,
    close_ns: Ints,
    close: Floats,
    hole_ns: int,
    last_close: Written[Floats],
    last_end_ns: Written[Ints],
    returns: Written[Floats2],
    returns_seen: Written[Ints],
    scores: Written[Floats],
) -> None:
    """Write the z-score of each bar's return, NaN where there is none, then add the return.

    The state is by instrument, the rest by bar. Mean and standard deviation in two passes from the
    oldest on: exact enough when prices are large and moves small.
    """
    size = returns.shape[1]
    for row in range(len(close)):
        number = instrument[row]
        before, last_close[number] = last_close[number], close[row]
        ended_ns, last_end_ns[number] = last_end_ns[number], close_ns[row]
        scores[row] = math.nan
        if math.isnan(before) or open_ns[row] - ended_ns > hole_ns:
            continue
        latest = log_return(before, close[row])
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

    VERSION: ClassVar[int] = 6

    window: int  # bars
    instruments: int  # in the job's table
    hole_ns: int = MAX_NS  # longest time between two bars over which there is a return

    def initial(self) -> State:
        """Return rings without a bar."""
        return State(
            np.full(self.instruments, math.nan),
            np.zeros(self.instruments, np.int64),
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
                bars.open_ns,
                bars.close_ns,
                bars.close,
                self.hole_ns,
                state.last_close,
                state.last_end_ns,
                state.returns,
                state.returns_seen,
                scores,
            )
        return state, (batch.replace(scores=scores),)

    def snapshot(self, state: State) -> tuple[bytes, ...]:
        """Return, as bytes, the numbers of instruments with a bar, and their rows of the state."""
        numbers = np.flatnonzero(~np.isnan(state.last_close))
        columns = (state.last_close, state.last_end_ns, state.returns, state.returns_seen)
        return numbers.tobytes(), *(column[numbers].tobytes() for column in columns)

    def restore(self, snapshot: tuple[bytes, ...]) -> State:
        """Return the rings of a snapshot."""
        numbers, last_close, last_end_ns, returns, returns_seen = snapshot
        state, rows = self.initial(), np.frombuffer(numbers, np.int64)
        state.last_close[rows] = np.frombuffer(last_close)
        state.last_end_ns[rows] = np.frombuffer(last_end_ns, np.int64)
        state.returns[rows] = np.frombuffer(returns).reshape(-1, self.window)
        state.returns_seen[rows] = np.frombuffer(returns_seen, np.int64)
        return state

    def renumber(self, snapshot: tuple[bytes, ...], numbers: Ints) -> tuple[bytes, ...]:
        """Return the snapshot of another table of instruments with the numbers of this one."""
        after = numbers[np.frombuffer(snapshot[0], np.int64)]
        here = after != GONE
        return after[here].tobytes(), *(keep_rows(each, here) for each in snapshot[1:])


@operator
def normalise(
    step_id: str, up: KeyedStream[Batch], *, step: Normalise, instruments: tuple[str, ...]
) -> KeyedStream[Batch]:
    """Score the returns of bars; `instruments` are the ids by number."""
    return op.stateful_batch("state", up, fold(step, rows=instruments))
