"""Asks for more than it may have, and for less when it is refused."""

from tapeflow import BUY, SELL, Bar, Context, Decision, Requests, Strategy, Submit


class Stubborn(Strategy, frozen=True):
    def on_bar(self, state: None, bar: Bar, context: Context) -> Requests:
        yield Submit(bar.instrument, SELL if context.holding(bar.instrument) > 0 else BUY, 3)

    def on_refusal(self, state: None, refusal: Decision, context: Context) -> Requests:
        if refusal.size > 1:
            yield Submit(refusal.instrument, refusal.side, refusal.size - 1)
