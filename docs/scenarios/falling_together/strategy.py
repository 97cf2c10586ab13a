"""Wants to hold every coin, once it has seen them for a while."""

from msgspec import Struct

from tapeflow import BUY, Bar, Context, Requests, Strategy, Submit


class Seen(Struct):
    bars: dict[str, int] = {}  # of each instrument


class Holder(Strategy, frozen=True):
    begin: int = 65  # bars

    def start(self) -> Seen:
        return Seen()

    def on_bar(self, state: Seen, bar: Bar, context: Context) -> Requests:
        name = bar.instrument
        state.bars[name] = state.bars.get(name, 0) + 1
        is_in = context.holding(name) or context.orders(name)
        if state.bars[name] >= self.begin and not is_in:
            yield Submit(name, BUY)
