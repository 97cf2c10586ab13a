"""Sends its orders in the order of a set."""

from tapeflow import BUY, Strategy, Submit


class IteratesOverASet(Strategy):
    def on_bar(self, state, bar, context):
        for name in set(context.instruments):
            if context.last(name):
                yield Submit(name, BUY)  # here
