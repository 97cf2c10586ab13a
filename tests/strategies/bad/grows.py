"""Keeps every close that it has seen."""

from msgspec import Struct

from tapeflow import Strategy


class Closes(Struct):
    seen: list[float] = []


class Grows(Strategy):
    def start(self):  # here
        return Closes()

    def on_bar(self, state, bar, context):
        state.seen.append(bar.close)
        return ()
