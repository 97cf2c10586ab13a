"""Answers with what is no request."""

from tapeflow import Strategy


class AnswersWithText(Strategy):
    def on_bar(self, state, bar, context):
        yield "BUY"  # here
