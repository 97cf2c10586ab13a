"""Asks the machine what time it is."""

import time
from time import time_ns as clock

from tapeflow import BUY, Strategy, Submit


class ReadsTheClock(Strategy):
    def on_bar(self, state, bar, context):
        if time.time() % 2 > 1:  # here
            yield Submit(bar.instrument, BUY)
        if clock() % 3 == 1:  # and here
            yield Submit(bar.instrument, BUY)
