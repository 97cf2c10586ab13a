"""Has a setting without a default."""

from tapeflow import Strategy


class NeedsASetting(Strategy):  # here
    depth: float

    def on_bar(self, state, bar, context):
        return ()
