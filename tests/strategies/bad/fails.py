"""Divides by what is zero at times."""

from tapeflow import BUY, Strategy, Submit


class Fails(Strategy):
    def on_bar(self, state, bar, context):
        if 1 / (bar.count - 1) > 0.5:  # here
            yield Submit(bar.instrument, BUY)
