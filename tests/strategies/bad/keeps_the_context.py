"""Keeps the context of one call for the next."""

from tapeflow import Strategy, Target

LAST = {}


class KeepsTheContext(Strategy):
    def on_bar(self, state, bar, context):
        before = LAST.setdefault("context", context)
        if before.last(bar.instrument):  # here
            yield Target(bar.instrument, 1)
