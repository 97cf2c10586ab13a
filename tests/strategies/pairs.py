"""A spread of two instruments, of two venues: sold where it is wide, bought where it is narrow."""

from decimal import Decimal

from msgspec import Struct

from tapeflow import Bar, Context, Decision, Requests, Strategy, Target


class Spread(Struct):
    """The mean of the spread so far, and what is wanted of it."""

    count: int = 0
    mean: float = 0.0
    wanted: int = 0
    refused: int = 0


class Pairs(Strategy):
    """Wants the first against the second, or the reverse, until the spread is at its mean."""

    first: str
    second: str
    units: Decimal = Decimal(1)
    entry: float = 2.0

    def start(self) -> Spread:
        """Return a spread of which nothing is known."""
        return Spread()

    def on_bar(self, state: Spread, bar: Bar, context: Context) -> Requests:
        """Compare the spread of the last trades with its mean."""
        first, second = context.last(self.first), context.last(self.second)
        if first is None or second is None:
            return
        away = first - second - state.mean
        state.count += 1
        state.mean += away / state.count
        if away > self.entry:
            state.wanted = -1
        elif away < -self.entry:
            state.wanted = 1
        elif away * state.wanted >= 0:
            state.wanted = 0
        yield Target(self.first, state.wanted * self.units)
        yield Target(self.second, -state.wanted * self.units, strength=abs(away))

    def on_refusal(self, state: Spread, refusal: Decision, context: Context) -> Requests:
        """Wait for the mean again."""
        state.refused += 1
        state.wanted = 0
        return ()
