"""Trades on weekdays of this machine."""

from datetime import UTC, datetime

from tapeflow import BUY, Strategy, Submit


class ReadsTheDate(Strategy):
    def on_bar(self, state, bar, context):
        if datetime.now(UTC).weekday() < 9:  # here
            yield Submit(bar.instrument, BUY)
