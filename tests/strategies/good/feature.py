"""A feature with a window of bars in its state."""

from typing import Any

import numpy as np
from msgspec import Struct

from tapeflow import Bar, Feature


class Ring(Struct):
    ranges: np.ndarray
    rows: int = 0


class MeanRange(Feature):
    """The mean of high - low over the last bars."""

    period: int = 20

    def start(self) -> Ring:
        return Ring(np.zeros(self.period))

    def on_bar(self, state: Ring, bar: Bar) -> Any:  # a float32: a number too
        state.ranges[state.rows % self.period] = bar.high - bar.low
        state.rows += 1
        return np.float32(state.ranges.mean()) if state.rows >= self.period else None
