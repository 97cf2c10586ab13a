"""Reads bars that it does not ask for."""

from tapeflow import Strategy


class ReadsWhatItDoesNotNeed(Strategy):
    def on_bar(self, state, bar, context):
        context.bars(bar.instrument)  # here
        return ()
