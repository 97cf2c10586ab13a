"""TWAP: comes to a target position in equal parts, at equal times.

Source: D. Bertsimas, A. Lo, "Optimal control of execution costs", Journal of Financial Markets 1
(1998): equal parts are best where prices are a random walk and impact is linear.
Loses against one order at once where the price runs away while it waits.
"""

from decimal import Decimal

from msgspec import Struct

from tapeflow import Bar, Context, Ns, Requests, SetTimer, Strategy, Target, TimerEvent


class Progress(Struct):
    """How many parts were sent, by instrument."""

    sent: dict[str, int] = {}


class Twap(Strategy, frozen=True):
    """Begins at the first bar of each instrument; then a timer calls for each part."""

    target: Decimal = Decimal(1)  # position at the end, below 0 short
    parts: int = 10  # how many orders, of equal size
    every: Ns = 60_000_000_000  # between two parts

    def __post_init__(self) -> None:
        """Refuse no parts, and no time between them."""
        if self.parts < 1 or self.every < 1:
            raise ValueError("parts and every must be above 0")

    def start(self) -> Progress:
        """Return nothing sent."""
        return Progress()

    def on_bar(self, state: Progress, bar: Bar, context: Context) -> Requests:
        """Begin at the first bar."""
        if bar.instrument not in state.sent:
            yield from self.send(bar.instrument, state, context)

    def on_timer(self, state: Progress, timer: TimerEvent, context: Context) -> Requests:
        """Send the next part: what was not filled of those before goes with it."""
        return self.send(timer.name, state, context)

    def send(self, name: str, state: Progress, context: Context) -> Requests:
        """Ask for the part of the target that is due, and for the time of the next one."""
        number = state.sent[name] = state.sent.get(name, 0) + 1
        yield Target(name, self.target * number / self.parts)
        if number < self.parts:
            yield SetTimer(context.time_ns + self.every, name)
