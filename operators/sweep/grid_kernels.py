"""The kernels of strategies over all variants of a grid: one call for the bars of a page.

forecasts (variants, bars): as the kernel of each strategy gives for one variant, to the bit
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from tapeflow.engine.compiled import by_numbers, compiled
from tapeflow.operators.strategies import ema_cross, reversion
from tapeflow.schemas.columns import Floats, Floats2, Ints, Written


@compiled
@by_numbers
def cross_all(  # noqa: PLR0913, PLR0917  # a kernel takes plain arrays
    state: Written[Floats2],
    instrument: Ints,
    close: Floats,
    score: Floats,
    forecasts: Written[Floats2],
    instruments: int,
    fast: Ints,
    slow: Ints,
) -> None:
    """Evaluate ema_cross for each variant: `state` has its rows for all instruments together."""
    for variant in range(len(fast)):
        for row in range(len(close)):
            at = variant * instruments + instrument[row]
            before = state[at, ema_cross.FAST] - state[at, ema_cross.SLOW]
            state[at, ema_cross.BARS] += 1
            for average, period in (
                (ema_cross.FAST, fast[variant]),
                (ema_cross.SLOW, slow[variant]),
            ):
                if state[at, ema_cross.BARS] < period:
                    state[at, average] += close[row]
                elif state[at, ema_cross.BARS] == period:
                    state[at, average] = (state[at, average] + close[row]) / period
                else:
                    state[at, average] += 2 / (period + 1) * (close[row] - state[at, average])
            after = state[at, ema_cross.FAST] - state[at, ema_cross.SLOW]
            crosses = before <= 0 < after or before >= 0 > after
            if state[at, ema_cross.BARS] > max(fast[variant], slow[variant]) and crosses:
                forecasts[variant, row] = after


@compiled
@by_numbers
def revert_all(
    state: Written[Floats2],
    instrument: Ints,
    close: Floats,
    score: Floats,
    forecasts: Written[Floats2],
    instruments: int,
    entry: Floats,
) -> None:
    """Evaluate reversion for each variant: `state` has its rows for all instruments together."""
    for variant in range(len(entry)):
        for row in range(len(score)):
            at = variant * instruments + instrument[row]
            beyond = abs(score[row]) >= entry[variant]  # False for NaN
            if beyond and state[at, reversion.BEYOND] == 0:
                forecasts[variant, row] = -score[row]
            state[at, reversion.BEYOND] = beyond


class GridKind(NamedTuple):
    """A kind of strategy over a grid: its kernel, the width of its state, and its parameters."""

    kernel: Callable[..., None]
    width: int
    parameters: tuple[tuple[str, type], ...]


GRID_KINDS = {
    "ema_cross": GridKind(cross_all, ema_cross.WIDTH, (("fast", np.int64), ("slow", np.int64))),
    "reversion": GridKind(revert_all, reversion.WIDTH, (("entry", np.float64),)),
}
