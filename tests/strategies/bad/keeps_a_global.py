"""Counts bars in a global, which nobody keeps for it."""

from tapeflow import BUY, Strategy, Submit

SEEN = [0]


class KeepsAGlobal(Strategy):
    def on_bar(self, state, bar, context):
        SEEN[0] += 1
        if SEEN[0] % 5 == 0:
            yield Submit(bar.instrument, BUY)  # here
