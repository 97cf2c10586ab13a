"""One that holds, and would buy again at once; one that holds too, with bids far below the price."""

from msgspec import Struct

from tapeflow import BUY, Bar, Context, Requests, Strategy, Submit, Terms


class Bars(Struct):
    count: int = 0


class Holder(Strategy, frozen=True):
    begin: int = 3  # the bar from which on it wants to hold

    def start(self) -> Bars:
        return Bars()

    def on_bar(self, state: Bars, bar: Bar, context: Context) -> Requests:
        state.count += 1
        if state.count >= self.begin and not context.holding(bar.instrument):
            yield Submit(bar.instrument, BUY)


class Bidder(Strategy, frozen=True):
    begin: int = 5
    below: tuple[float, ...] = (0.85, 0.75)  # bids, as parts of the price

    def start(self) -> Bars:
        return Bars()

    def on_bar(self, state: Bars, bar: Bar, context: Context) -> Requests:
        state.count += 1
        if state.count == self.begin:
            yield Submit(bar.instrument, BUY)
        if state.count >= self.begin and not context.orders(bar.instrument):
            rows = context.instrument(bar.instrument)
            for part in self.below:
                limit = rows.round_price(bar.close * part)
                yield Submit(bar.instrument, BUY, terms=Terms(type="limit", limit=limit))
