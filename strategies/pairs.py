"""Pairs: short what is dear, long what is cheap, of two prices that belong together.

Source: E. Gatev, W. Goetzmann, K. Rouwenhorst, "Pairs Trading: Performance of a Relative-Value
Arbitrage Rule", Review of Financial Studies 19 (2006).
Loses where the two part for good; and where one leg is filled long before the other.
"""

from decimal import Decimal
from math import log
from statistics import fmean, pstdev

from msgspec import Struct

from tapeflow import Bar, Context, Requests, Strategy, Target

FLAT = (Decimal(0), Decimal(0))


class PairsState(Struct):
    """The last log ratios, and the two sizes that it wants to hold."""

    ratios: list[float] = []
    wanted: tuple[Decimal, Decimal] = FLAT


class Pairs(Strategy, frozen=True):
    """Trades the z-score of the log ratio of its two instruments, the same notional of each.

    Write `size = { notional = "1000" }`. Its job names two instruments, of one venue or of two.
    """

    window: int = 60  # bars of mean and standard deviation
    entry: float = 2.0  # standard deviations
    exit: float = 0.5  # standard deviations

    def start(self) -> PairsState:
        """Return no ratio, and flat."""
        return PairsState()

    def on_bar(self, state: PairsState, bar: Bar, context: Context) -> Requests:
        """Measure at each bar of the first instrument, and ask for what is missing to both."""
        first, second, *others = context.instruments
        if others:
            raise ValueError(f"pairs trade two instruments, not {len(others) + 2}")
        mids, sizes = (context.mid(first), context.mid(second)), map(context.size, (first, second))
        if bar.instrument != first or mids[0] is None or mids[1] is None:
            return
        *before, ratio = state.ratios = [*state.ratios[-self.window :], log(mids[0] / mids[1])]
        spread = pstdev(before) if len(before) == self.window else 0.0
        if not spread:
            return
        score, (one, two) = (ratio - fmean(before)) / spread, sizes
        if state.wanted == FLAT and abs(score) > self.entry and one and two:
            state.wanted = (-one, two) if score > 0 else (one, -two)
        elif abs(score) < self.exit:
            state.wanted = FLAT
        for name, size in zip((first, second), state.wanted, strict=True):
            yield Target(name, size, strength=abs(score))  # none where nothing is missing
