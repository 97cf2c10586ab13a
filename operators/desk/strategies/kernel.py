"""A kernel over columns of bars, as a strategy that is called in the merge with one bar.

    bar ─▶ columns of one row ─▶ kernel ─▶ forecast ─▶ Submit

So the same kernel gives the same decisions at both placements.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from tapeflow.operators.strategies.step import STRATEGIES
from tapeflow.schemas.bar import Bar
from tapeflow.schemas.context import Context
from tapeflow.schemas.needs import SCORE
from tapeflow.schemas.sides import BUY, SELL
from tapeflow.schemas.signals import DeclaredStrategy
from tapeflow.schemas.strategy import Strategy, Submit


def with_class(declared: DeclaredStrategy) -> DeclaredStrategy:
    """Return a strategy with its class: that of a kernel is `KernelStrategy`."""
    if declared.strategy is not None:
        return declared
    kind = STRATEGIES[declared.kind]
    made = KernelStrategy(kernel=kind.kernel, width=kind.width, params=declared.params)
    return replace(declared, strategy=made)


ONLY_ROW = np.zeros(1, np.int64)


class KernelState(Struct):
    """The row of a kernel's state of each instrument, by its id."""

    rows: dict[str, np.ndarray]  # (1, width)


class KernelStrategy(Strategy, frozen=True):
    """A kernel of operators/strategies, its parameters, and the width of its state."""

    kernel: Callable[..., None]
    width: int
    params: dict[str, Any]

    def needs(self) -> tuple[str, ...]:
        """Return what kernels read: bars of the job's own width, and their scores."""
        return ("bars", SCORE)

    def start(self) -> KernelState:
        """Return the state before the first bar."""
        return KernelState({})

    def on_bar(self, state: KernelState, bar: Bar, context: Context) -> Iterator[Submit]:
        """Submit an order where the kernel gives a forecast."""
        row = state.rows.get(bar.instrument)
        if row is None:
            row = state.rows[bar.instrument] = np.zeros((1, self.width))
        score = context.feature(SCORE, bar.instrument)
        scores, forecasts = np.array([np.nan if score is None else score]), np.zeros(1)
        with np.errstate(all="ignore"):  # without numba
            self.kernel(row, ONLY_ROW, np.array([bar.close]), scores, forecasts, **self.params)
        forecast = float(forecasts[0])
        if forecast != 0 and np.isfinite(forecast):
            side = BUY if forecast > 0 else SELL
            yield Submit(bar.instrument, side, strength=abs(forecast))
