"""The rule of the kernel `ema_cross` as classes in a file: one trades, one only computes."""

from msgspec import Struct

from tapeflow import BUY, SELL, Bar, Context, Requests, Strategy, Submit


class Averages(Struct):
    """Of each instrument: bars so far, and both averages, which are sums until seeded."""

    known: dict[str, list[float]]


class Cross(Strategy, frozen=True):
    """Trend: buys when the fast average crosses above the slow one, sells below."""

    fast: int = 12
    slow: int = 26

    def start(self) -> Averages:
        """Return averages of no bar."""
        return Averages({})

    def on_bar(self, state: Averages, bar: Bar, context: Context) -> Requests:
        """Submit an order at a crossing."""
        crossed = cross(state, bar, self.fast, self.slow)
        if not crossed:
            return ()
        return (Submit(bar.instrument, BUY if crossed > 0 else SELL, strength=abs(crossed)),)


class Quiet(Strategy, frozen=True):
    """Computes the averages of all bars, and asks for nothing."""

    def start(self) -> Averages:
        """Return averages of no bar."""
        return Averages({})

    def on_bar(self, state: Averages, bar: Bar, context: Context) -> Requests:
        """Update the averages."""
        cross(state, bar, 12, 26)
        return ()


def cross(state: Averages, bar: Bar, fast: int, slow: int) -> float:
    """Update the averages of a bar's instrument; return their distance where they have crossed."""
    row = state.known.get(bar.instrument)
    if row is None:
        row = state.known[bar.instrument] = [0.0, 0.0, 0.0]
    before = row[1] - row[2]
    row[0] += 1
    for at, period in ((1, fast), (2, slow)):
        if row[0] < period:
            row[at] += bar.close
        elif row[0] == period:
            row[at] = (row[at] + bar.close) / period
        else:
            row[at] += 2 / (period + 1) * (bar.close - row[at])
    after = row[1] - row[2]
    is_seeded = row[0] > max(fast, slow)
    return after if is_seeded and (before <= 0 < after or before >= 0 > after) else 0.0
