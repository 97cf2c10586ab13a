"""Keeps the array of the first bars, which is of use during the call only."""

import numpy as np
from msgspec import Struct

from tapeflow import BUY, Strategy, Submit


class Firsts(Struct):
    closes: dict[str, np.ndarray] = {}


class KeepsArrays(Strategy):
    def start(self):
        return Firsts()

    def needs(self):
        return ("bars:20",)

    def on_bar(self, state, bar, context):  # here
        first = state.closes.setdefault(bar.instrument, context.bars(bar.instrument).close)
        if bar.close > first.max():
            yield Submit(bar.instrument, BUY)
