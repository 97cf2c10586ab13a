"""Draws from numpy's generator of the whole process, and from one without a seed."""

import numpy as np

from tapeflow import BUY, Strategy, Submit


class DrawsWithNumpy(Strategy):
    def on_bar(self, state, bar, context):
        if np.random.rand() < 0.1:  # here
            yield Submit(bar.instrument, BUY)
        if np.random.default_rng().random() < 0.1:  # and here
            yield Submit(bar.instrument, BUY)
