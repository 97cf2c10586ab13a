"""The crossing of two exponential means, as the kernel `ema_cross` computes it."""

from msgspec import Struct, field

from tapeflow import BUY, SELL, Bar, Context, Requests, Strategy, Submit


class Means(Struct):
    """Number of closes, fast mean, slow mean of each instrument; a sum before it is a mean."""

    known: dict[str, list[float]] = field(default_factory=dict)


class Cross(Strategy):
    """Buys where the fast mean rises above the slow one, sells where it falls below it."""

    fast: int = 12
    slow: int = 26

    def start(self) -> Means:
        """Return nothing known."""
        return Means()

    def on_bar(self, state: Means, bar: Bar, context: Context) -> Requests:
        """Follow the means; a crossing is a signal."""
        mine = state.known.setdefault(bar.instrument, [0.0, 0.0, 0.0])
        before = mine[1] - mine[2]
        mine[0] += 1
        for at, period in ((1, self.fast), (2, self.slow)):
            if mine[0] < period:
                mine[at] += bar.close
            elif mine[0] == period:
                mine[at] = (mine[at] + bar.close) / period
            else:
                mine[at] += 2 / (period + 1) * (bar.close - mine[at])
        after = mine[1] - mine[2]
        if mine[0] > max(self.fast, self.slow) and (before <= 0 < after or before >= 0 > after):
            yield Submit(bar.instrument, BUY if after > 0 else SELL, strength=abs(after))
