"""Asks for an order in an instrument that it does not trade."""

from tapeflow import BUY, Strategy, Submit


class AsksForOthers(Strategy):
    def on_bar(self, state, bar, context):
        yield Submit("ETH-USD.COINBASE", BUY, size=1)  # here
