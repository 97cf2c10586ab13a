"""A feature that knows what time it is."""

import time

from tapeflow import Feature


class Age(Feature):
    def on_bar(self, state, bar):
        return time.time() - bar.close_ns / 1e9  # here
