"""Waits for bars with a handler that nobody calls."""

from tapeflow import BUY, Strategy, Submit


class Misspells(Strategy):
    def on_fill(self, state, fill, context):
        return ()

    def on_bars(self, state, bar, context):  # here
        yield Submit(bar.instrument, BUY)
