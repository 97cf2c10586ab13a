"""A maker that bids above the ask at one venue, by an offset that has the wrong sign."""

from decimal import Decimal

from msgspec import Struct

from tapeflow import BUY, Bar, Context, Requests, Strategy, Submit, Terms


class Bars(Struct):
    count: int = 0


class Maker(Strategy, frozen=True):
    wrong: str = "BTC-USDT.BINANCE"
    every: int = 2  # bars of each instrument
    end: int = 18  # after so many it is corrected

    def start(self) -> Bars:
        return Bars()

    def on_bar(self, state: Bars, bar: Bar, context: Context) -> Requests:
        state.count += 1
        if state.count // 2 % self.every:
            return
        is_wrong = bar.instrument == self.wrong and state.count <= 2 * self.end
        limit = Decimal(60_010 if is_wrong else 59_990)
        bid = Terms(type="limit", limit=limit, post_only=True)
        yield Submit(bar.instrument, BUY, terms=bid)
