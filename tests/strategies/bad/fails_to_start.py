"""Fails where it makes its state."""

from tapeflow import Strategy


class FailsToStart(Strategy):
    def start(self):
        return {}["state"]  # here

    def on_bar(self, state, bar, context):
        return ()
