"""Trend following: long while a fast average of closes is above a slow one, short while below.

Source: W. Brock, J. Lakonishok, B. LeBaron, "Simple Technical Trading Rules and the Stochastic
Properties of Stock Returns", Journal of Finance 47 (1992), with exponential averages.
Loses where a market goes sideways: each false cross costs the spread, two fees, and the way back.
"""

from tapeflow import Bar, Context, Requests, Strategy, Target


class Trend(Strategy, frozen=True):
    """Holds the declared size in the direction of the cross; turns with it."""

    fast: int = 12  # bars of the fast average
    slow: int = 26  # bars of the slow average
    bars: str = ""  # kind of bars, such as "1m"; "": the job's own
    both_ways: bool = True  # False: flat where it would be short

    def __post_init__(self) -> None:
        """Refuse averages that never cross."""
        if not 0 < self.fast < self.slow:
            raise ValueError(f"fast ({self.fast}) must be above 0 and below slow ({self.slow})")

    @property
    def at(self) -> str:
        """The kind of bars, as it stands behind a need."""
        return self.bars and f"@{self.bars}"

    def needs(self) -> tuple[str, ...]:
        """Return the two averages, and the bars at which it is called."""
        return (f"ema:{self.fast}{self.at}", f"ema:{self.slow}{self.at}", f"bars{self.at}")

    def on_bar(self, state: None, bar: Bar, context: Context) -> Requests:
        """Turn the position where the averages have crossed."""
        name = bar.instrument
        fast = context.feature(f"ema:{self.fast}{self.at}", name)
        slow = context.feature(f"ema:{self.slow}{self.at}", name)
        size = context.size(name)
        if fast is None or slow is None or size is None or fast == slow:
            return
        side = 1 if fast > slow else -1 if self.both_ways else 0
        if context.holding(name) * side <= 0:  # what it holds in the same direction, it keeps
            yield Target(name, side * size, strength=abs(fast / slow - 1))
