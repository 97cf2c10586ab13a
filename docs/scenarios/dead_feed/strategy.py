"""Buys at both venues every three seconds by the bars of one, and rests a bid at each."""

from decimal import Decimal

from msgspec import Struct

from tapeflow import BUY, Bar, Context, Requests, Strategy, Submit, Terms


class Bars(Struct):
    count: int = 0


class Both(Strategy, frozen=True):
    every: int = 3  # bars of the leader
    leader: str = "BTC-USD.COINBASE"

    def start(self) -> Bars:
        return Bars()

    def on_bar(self, state: Bars, bar: Bar, context: Context) -> Requests:
        if bar.instrument != self.leader:
            return
        state.count += 1
        for name in context.instruments:
            if state.count == self.every - 1:
                low = Terms(type="limit", limit=Decimal(59_000))
                yield Submit(name, BUY, terms=low)
            if state.count % self.every == 0:
                yield Submit(name, BUY)
