"""Scales the closes that it was given in place."""

from tapeflow import Strategy


class WritesOverBars(Strategy):
    def needs(self):
        return ("bars:20",)

    def on_bar(self, state, bar, context):
        closes = context.bars(bar.instrument).close
        closes /= closes[-1]  # here
        return ()
