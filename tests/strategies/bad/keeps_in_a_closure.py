"""Remembers the last close in a closure."""

from tapeflow import BUY, Strategy, Submit


def make_memory():
    last = {}

    def rises(name, close):
        before, last[name] = last.get(name, close), close
        return close > before

    return rises


RISES = make_memory()


class KeepsInAClosure(Strategy):
    def on_bar(self, state, bar, context):
        if RISES(bar.instrument, bar.close):
            yield Submit(bar.instrument, BUY)  # here
