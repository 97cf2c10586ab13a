"""It yields nothing where it has nothing to ask for."""

from tapeflow import Strategy


class Nothing(Strategy):
    def on_bar(self, state, bar, context):
        yield None  # here
