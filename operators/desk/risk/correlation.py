"""Correlation of instruments by the returns of bars that close together, newer ones weighted more.

    BTC  bar to 10:01  +0.2 %  ┐ a pair of returns: sums of products decay by `decay`
    ETH  bar to 10:01  +0.1 %  ┘
    SOL  no bar to 10:01         its pairs stay as they are

The mean of returns is taken as 0. Pairs with fewer than `least_bars` common bars, and those of a
price that never moved, count as 1: what is not known is taken as moving together.
"""

import math
from dataclasses import dataclass, field

from msgspec import Struct
from msgspec.structs import replace


class PairSums(Struct, array_like=True):
    """Decayed sums of the returns of two instruments, the first by id first."""

    bars: int = 0
    products: float = 0.0
    squares: float = 0.0  # of the first
    other_squares: float = 0.0

    def add(self, decay: float, one: float, other: float) -> None:
        """Add a pair of returns."""
        self.bars += 1
        self.products = self.products * decay + one * other
        self.squares = self.squares * decay + one * one
        self.other_squares = self.other_squares * decay + other * other


@dataclass(slots=True)
class Correlations:
    """Correlations of all pairs, updated in the order of the log."""

    decay: float = 0.99
    least_bars: int = 60
    # by instrument: end and close of its last bar, and its return
    newest: dict[str, tuple[int, float, float | None]] = field(default_factory=dict)
    pairs: dict[tuple[str, str], PairSums] = field(default_factory=dict)

    def add(self, instrument: str, close_ns: int, close: float) -> None:
        """Add a bar that closed at a time; one that is no newer than the last changes nothing."""
        before = self.newest.get(instrument)
        if not (math.isfinite(close) and close > 0) or (before and close_ns <= before[0]):
            return
        change = math.log(close / before[1]) if before else None
        self.newest[instrument] = (close_ns, close, change)
        if change is None:
            return
        for other, (at_ns, _, other_change) in self.newest.items():
            if other == instrument or at_ns != close_ns or other_change is None:
                continue
            first = instrument < other
            pair = (instrument, other) if first else (other, instrument)
            changes = (change, other_change) if first else (other_change, change)
            self.pairs.setdefault(pair, PairSums()).add(self.decay, *changes)

    def of(self, one: str, other: str) -> float:
        """Return the correlation of two instruments; 1 where it is not known."""
        if one == other:
            return 1.0
        sums = self.pairs.get((one, other) if one < other else (other, one))
        if sums is None or sums.bars < self.least_bars:
            return 1.0
        scale = math.sqrt(sums.squares) * math.sqrt(sums.other_squares)
        return min(max(sums.products / scale, -1.0), 1.0) if scale > 0 else 1.0

    def snapshot(self) -> "CorrelationSnapshot":
        """Return the plain form."""
        pairs = [(*names, replace(each)) for names, each in self.pairs.items()]
        return CorrelationSnapshot(dict(self.newest), pairs)

    @classmethod
    def restore(
        cls, saved: "CorrelationSnapshot", decay: float = 0.99, least_bars: int = 60
    ) -> "Correlations":
        """Return the state of a snapshot."""
        pairs = {(one, other): replace(each) for one, other, each in saved.pairs}
        return cls(decay, least_bars, dict(saved.newest), pairs)


class CorrelationSnapshot(Struct):
    """The plain form of correlations."""

    newest: dict[str, tuple[int, float, float | None]]
    pairs: list[tuple[str, str, PairSums]]
