"""Buys every coin once, and wants more of each that it holds when it has fallen."""

from tapeflow import BUY, Bar, Context, Requests, Strategy, Submit


class Holder(Strategy, frozen=True):
    def on_bar(self, state: None, bar: Bar, context: Context) -> Requests:
        if not context.holding(bar.instrument) and not context.orders(bar.instrument):
            yield Submit(bar.instrument, BUY)
