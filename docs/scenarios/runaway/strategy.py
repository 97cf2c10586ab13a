"""A strategy with a mistake: it buys at every trade. And one that buys and sells by turns."""

from msgspec import Struct

from tapeflow import BUY, Bar, Close, Context, PriceEvent, Requests, Strategy, Submit, WatchPrice


class Bars(Struct):
    count: int = 0


class Runaway(Strategy, frozen=True):
    patience: int = 15  # bars after which it wants to be flat

    def start(self) -> Bars:
        return Bars()

    def on_bar(self, state: Bars, bar: Bar, context: Context) -> Requests:
        state.count += 1
        if state.count == 1:
            yield WatchPrice(bar.instrument, above=1.0)
        elif state.count == self.patience:
            yield Close(bar.instrument)

    def on_price(self, state: Bars, event: PriceEvent, context: Context) -> Requests:
        yield Submit(event.instrument, BUY)
        yield WatchPrice(event.instrument, above=1.0)  # any price: the next trade calls it again


class Steady(Strategy, frozen=True):
    every: int = 6  # bars

    def start(self) -> Bars:
        return Bars()

    def on_bar(self, state: Bars, bar: Bar, context: Context) -> Requests:
        state.count += 1
        if state.count % self.every == 0:
            held = context.holding(bar.instrument)
            yield Close(bar.instrument) if held else Submit(bar.instrument, BUY)
