"""Makes a generator without a seed in each call."""

from random import Random

from tapeflow import BUY, Strategy, Submit


class DrawsUnseeded(Strategy):
    def on_bar(self, state, bar, context):
        if Random().random() < 0.5:  # here
            yield Submit(bar.instrument, BUY)
