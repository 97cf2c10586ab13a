"""Reads its limit from a file at each bar."""

from pathlib import Path

from tapeflow import BUY, Strategy, Submit


class ReadsAFile(Strategy):
    def on_bar(self, state, bar, context):
        limit = len(Path(__file__).read_text())  # here
        if bar.close > limit:
            yield Submit(bar.instrument, BUY)
