"""A feature that answers with text."""

from tapeflow import Feature


class Word(Feature):
    def on_bar(self, state, bar):  # here
        return "up" if bar.close > bar.open else "down"
