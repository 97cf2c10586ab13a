"""Trades those instruments of which the hash is even."""

from tapeflow import BUY, Strategy, Submit


class HashesNames(Strategy):
    def on_bar(self, state, bar, context):  # here
        if hash(bar.instrument) % 2:
            yield Submit(bar.instrument, BUY)  # here, or the handler
