"""The latent price of a coin, which the synthetic venues follow.

    noise, drift, reversion, jumps --> value --moved enough?--> price of each cell of 20 ms

Prices are computed with + - * / and sqrt alone, whose results IEEE 754 fixes on every machine.
"""

from math import sqrt
from typing import NamedTuple

import numpy as np

from tapeflow.connectors.synthetic.listings import Coin, Rng
from tapeflow.schemas.columns import Floats

SECOND_US = 1_000_000
CELLS = 50  # steps of the latent price in a second
CELL_US = SECOND_US // CELLS
MEMORY = 8  # cells of the stretch before that a stretch begins with


class LatentPrice(NamedTuple):
    """A stretch of a coin's latent price; its first MEMORY cells are the last ones before it."""

    price: Floats  # (cells,) in dollars
    activity: Floats  # (cells,) how busy the market is, about 1 on average


class PriceProcess:
    """The latent price of a coin over time: trends and reversions of some tens of seconds."""

    def __init__(self, coin: Coin, rng: Rng) -> None:
        self.coin, self.rng = coin, rng
        self.sigma = coin.sigma_bps * 1e-4
        self.value = 0.0  # about the logarithm of price / first price
        self.shown = 0.0  # what quotes follow: `value`, but only once it has moved enough
        self.anchor = 0.0  # what a reverting stretch returns to
        self.drift, self.pull, self.seconds_left = 0.0, 0.0, 0
        self.volatility = 1.0
        self.shown_cells = [0.0] * MEMORY
        self.activity_cells = [1.0] * MEMORY

    def extend(self, seconds: int) -> LatentPrice:
        """Return the next stretch."""
        self.shown_cells = self.shown_cells[-MEMORY:]
        self.activity_cells = self.activity_cells[-MEMORY:]
        for _ in range(seconds):
            self._second()
        shown = np.array(self.shown_cells)
        # exp() to the second order, never below 1/2; the C library's exp() differs by machine
        return LatentPrice(
            self.coin.price * (1 + shown + shown * shown / 2), np.array(self.activity_cells)
        )

    def _second(self) -> None:
        shock, *steps = self.rng.standard_normal(CELLS + 1).tolist()
        luck, jump, kind, side, length = self.rng.random(5).tolist()
        if self.seconds_left == 0:
            self._begin_regime(kind, side, length)
        self.seconds_left -= 1
        self.volatility += 0.08 * (0.9 - self.volatility) + 0.22 * self.volatility * shock
        self.volatility = min(max(self.volatility, 0.4), 3.0)
        if luck < 1 / 90:
            self.value += (10 * jump - 5 + (3 if jump > 1 / 2 else -3)) * self.sigma
            self.volatility = 3.0  # a jump is followed by large moves
        noise = self.sigma * self.volatility / sqrt(CELLS)
        for step in steps:
            self.value += noise * step + self.drift / CELLS
            self.value += self.pull * (self.anchor - self.value) / CELLS
            if abs(self.value - self.shown) > self.sigma / 4:
                self.shown = self.value
            self.shown_cells.append(self.shown)
            self.activity_cells.append(self.volatility * (0.46 + 0.575 * abs(step)))

    def _begin_regime(self, kind: float, side: float, length: float) -> None:
        """Begin a trend of 10 to 50 s, or 15 to 55 s of reverting to the value of now.

        The arguments are uniform in [0, 1).
        """
        trends = kind < 0.5
        size = (0.2 + 0.4 * kind) * self.sigma
        self.drift = (size if side < 1 / 2 else -size) if trends else 0.0
        self.pull = 0.0 if trends else 0.08 + 0.3 * (kind - 0.5)
        self.anchor = self.value
        self.seconds_left = int((10 if trends else 15) + 40 * length)
