"""Arrays in the state, changed in place; a window; a dictionary in the order of what came."""

import numpy as np
from msgspec import Struct

from tapeflow import BUY, SELL, Bar, Context, Requests, Strategy, Submit

SIZE = 16


class Rings(Struct):
    closes: dict[str, np.ndarray] = {}
    rows: dict[str, int] = {}


class Arrays(Strategy):
    """Trades against the mean of a ring."""

    def start(self) -> Rings:
        return Rings()

    def on_bar(self, state: Rings, bar: Bar, context: Context) -> Requests:
        ring = state.closes.setdefault(bar.instrument, np.full(SIZE, np.nan))
        row = state.rows[bar.instrument] = state.rows.get(bar.instrument, -1) + 1
        ring[row % SIZE] = bar.close
        for name, closes in state.closes.items():
            if name == bar.instrument and row >= SIZE and abs(bar.close / closes.mean() - 1) > 1e-3:
                yield Submit(name, SELL if bar.close > closes.mean() else BUY)
