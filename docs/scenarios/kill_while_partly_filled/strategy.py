"""Buys four coins where half a coin is offered at a time; rests another order below."""

from decimal import Decimal

from msgspec import Struct

from tapeflow import BUY, Bar, Context, Requests, Strategy, Submit, Terms


class Bars(Struct):
    count: int = 0


class Large(Strategy, frozen=True):
    begin: int = 5  # the bar at which it buys

    def start(self) -> Bars:
        return Bars()

    def on_bar(self, state: Bars, bar: Bar, context: Context) -> Requests:
        state.count += 1
        if state.count == self.begin:
            yield Submit(bar.instrument, BUY)
            low = Terms(type="limit", limit=Decimal(59_500))
            yield Submit(bar.instrument, BUY, Decimal(1), low)
