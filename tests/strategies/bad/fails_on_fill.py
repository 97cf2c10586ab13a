"""Fails where it hears of its first fill."""

from tapeflow import BUY, Strategy, Submit


class FailsOnFill(Strategy):
    def on_bar(self, state, bar, context):
        yield Submit(bar.instrument, BUY)

    def on_fill(self, state, fill, context):
        return [state.orders[fill.order_id]]  # here
