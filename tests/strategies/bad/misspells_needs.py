"""Its feature is never computed: nothing calls what names it."""

from tapeflow import Strategy


class Misspelt(Strategy):
    def need(self):  # here
        return ("rsi:14",)

    def on_bar(self, state, bar, context):
        return ()
