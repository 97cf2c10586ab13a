"""Has nothing to be called with."""

from tapeflow import Strategy


class NoHandler(Strategy):  # here
    depth: float = 2.0
