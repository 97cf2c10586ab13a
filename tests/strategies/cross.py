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
        own = state.known.setdefault(bar.instrument, [0.0, 0.0, 0.0])
        before = own[1] - own[2]
        own[0] += 1
        for at, period in ((1, self.fast), (2, self.slow)):
            if own[0] < period:
                own[at] += bar.close
            elif own[0] == period:
                own[at] = (own[at] + bar.close) / period
            else:
                own[at] += 2 / (period + 1) * (bar.close - own[at])
        after = own[1] - own[2]
        if own[0] > max(self.fast, self.slow) and (before <= 0 < after or before >= 0 > after):
            yield Submit(bar.instrument, BUY if after > 0 else SELL, strength=abs(after))
