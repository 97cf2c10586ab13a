"""Draws its trades."""

import random

from tapeflow import BUY, Strategy, Submit


class DrawsAtRandom(Strategy):
    def on_bar(self, state, bar, context):
        if self.draws():
            yield Submit(bar.instrument, BUY)

    def draws(self):
        return random.choice([True, False])  # here
