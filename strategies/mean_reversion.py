"""Mean reversion: against a close that is far from its mean, until it is back.

Source: J. Bollinger, "Bollinger on Bollinger Bands" (2001); J. Poterba, L. Summers, "Mean Reversion
in Stock Prices", Journal of Financial Economics 22 (1988).
Loses where a move goes on: the mean follows the price, not the price the mean. `stop` ends that.
"""

from tapeflow import Bar, Context, Requests, Strategy, Target


class MeanReversion(Strategy, frozen=True):
    """Trades the z-score of closes: entry beyond `entry`, exit within `exit` or beyond `stop`."""

    window: int = 60  # bars of mean and standard deviation
    entry: float = 2.0  # standard deviations
    exit: float = 0.5  # standard deviations
    stop: float = 4.0  # standard deviations
    bars: str = ""  # kind of bars, such as "1m"; "": the job's own

    def __post_init__(self) -> None:
        """Refuse distances in the wrong order."""
        if not 0 <= self.exit < self.entry < self.stop:
            raise ValueError(f"{self.exit=} < {self.entry=} < {self.stop=} does not hold")

    @property
    def score(self) -> str:
        """The need of the z-score."""
        return f"z:{self.window}" + (self.bars and f"@{self.bars}")

    def needs(self) -> tuple[str, ...]:
        """Return the z-score, and the bars at which it is called."""
        return (self.score, "bars" + (self.bars and f"@{self.bars}"))

    def on_bar(self, state: None, bar: Bar, context: Context) -> Requests:
        """Enter against a far close, or leave where it is back or too far."""
        name = bar.instrument
        score, size, holding = (
            context.feature(self.score, name),
            context.size(name),
            context.holding(name),
        )
        if score is None or size is None:
            return
        if not holding and self.entry < abs(score) < self.stop:
            yield Target(name, -size if score > 0 else size, strength=abs(score))
        elif holding and (abs(score) < self.exit or abs(score) > self.stop):
            yield Target(name, 0 * size, strength=abs(score))
