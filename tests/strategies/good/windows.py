"""A window longer than the log's first half; arrays of bars that are copied before they are kept."""

import numpy as np
from msgspec import Struct

from tapeflow import BUY, Bar, Context, Requests, Strategy, Submit


class Windows(Struct):
    returns: dict[str, list[float]] = {}
    first: dict[str, np.ndarray] = {}
    counts: dict[tuple[str, int], int] = {}


class LongWindow(Strategy):
    """Buys where the mean of many returns is above zero and the first bars are far below."""

    def needs(self) -> tuple[str, ...]:
        return ("bars:30",)

    def start(self) -> Windows:
        return Windows()

    def on_bar(self, state: Windows, bar: Bar, context: Context) -> Requests:
        state.counts[bar.instrument, bar.count % 3] = bar.count
        closes = context.bars(bar.instrument).close
        first = state.first.setdefault(bar.instrument, closes.copy())
        returns = state.returns.setdefault(bar.instrument, [])
        returns.append(bar.close / bar.open - 1)
        del returns[:-300]
        if len(closes) == 30 and closes.mean() > first.mean() and sum(returns) > 0:
            yield Submit(bar.instrument, BUY)
