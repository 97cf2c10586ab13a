"""Breakout: with a close beyond the channel of the last bars, and a stop that trails by the range.

Source: the channel of R. Donchian, the stop in units of the average true range as in C. Faith,
"Way of the Turtle" (2007).
Loses where breaks fail: the stop is hit before the move begins, again and again. Most trades lose
a little; a few long ones must pay for them.
"""

from msgspec import Struct

from tapeflow import BUY, SELL, Bar, Context, Leg, Requests, Strategy, Submit, Terms


class Channels(Struct):
    """The channel before the present bar, of each instrument."""

    known: dict[str, tuple[float, float]] = {}  # highest high, lowest low


class Breakout(Strategy, frozen=True):
    """Enters once a close leaves the channel; its trailing stop is on the market at once."""

    window: int = 20  # bars of the channel
    atr: int = 14  # bars of the average true range
    stop: float = 2.0  # average true ranges
    bars: str = ""  # kind of bars, such as "1m"; "": the job's own

    @property
    def at(self) -> str:
        """The kind of bars, as it stands behind a need."""
        return self.bars and f"@{self.bars}"

    def needs(self) -> tuple[str, ...]:
        """Return channel, range, and the bars at which it is called."""
        channel = [f"donchian.{side}:{self.window}{self.at}" for side in ("upper", "lower")]
        return (*channel, f"atr:{self.atr}{self.at}", f"bars{self.at}")

    def start(self) -> Channels:
        """Return no channel."""
        return Channels()

    def on_bar(self, state: Channels, bar: Bar, context: Context) -> Requests:
        """Enter where the close is beyond the channel of the bars before it."""
        name = bar.instrument
        high, low, span = (context.feature(need, name) for need in self.needs()[:3])
        before = state.known.get(name)
        if high is not None and low is not None:
            state.known[name] = (high, low)
        if before is None or not span or context.holding(name) or context.orders(name):
            return
        side = BUY if bar.close > before[0] else SELL if bar.close < before[1] else 0
        size = context.size(name)
        if side and size:
            trail = context.instrument(name).round_price(self.stop * span)
            stop = Leg(-side, size, Terms(type="trailing", trail=trail))
            yield Submit(name, side, size, exits=(stop,), strength=abs(bar.close / bar.open - 1))
