"""Buy what fell far below its mean, and sell it when it is back: a strategy to change.

The job beside this file names it: kind = "strategy.py:Dip". What a strategy may do, and when it is
called, is in docs/strategies.md. This one pays fees for noise: it is an example, not advice.
"""

from typing import Any

from msgspec import Struct

from tapeflow import BUY, Bar, Close, Context, Requests, Strategy, Submit


class State(Struct):
    """All that is kept between calls, and over a restart: plain values alone."""

    bars_held: dict[str, int] = {}  # by instrument, since it was bought


class Dip(Strategy, frozen=True):
    """Its fields are its settings: keys of its row in the job."""

    depth: float = 2.5  # standard deviations below the mean
    patience: int = 60  # bars after which a position is closed in any case

    def needs(self) -> tuple[str, ...]:
        """Return the features and bars that it reads: only these are computed."""
        return ("z:60",)  # how far the close is from its mean of 60 bars, in deviations

    def start(self) -> State:
        """Return its state before the first event."""
        return State()

    def on_bar(self, state: Any, bar: Bar, context: Context) -> Requests:
        """Answer a bar with requests. It sees nothing that is later than the bar."""
        z = context.feature("z:60", bar.instrument)
        if context.holding(bar.instrument):
            held = state.bars_held.get(bar.instrument, 0) + 1
            state.bars_held[bar.instrument] = held
            if held >= self.patience or (z is not None and z >= 0):
                yield Close(bar.instrument)
            return
        state.bars_held.pop(bar.instrument, None)
        if z is not None and z < -self.depth and not context.orders(bar.instrument):
            yield Submit(bar.instrument, BUY, strength=-z)  # the size is the job's
