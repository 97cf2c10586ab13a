"""Remembers its last side on the class, which nobody keeps for it."""

from typing import ClassVar

from tapeflow import BUY, SELL, Strategy, Submit


class KeepsOnTheClass(Strategy):
    sides: ClassVar[dict] = {}

    def on_bar(self, state, bar, context):  # here
        side = self.sides[bar.instrument] = -self.sides.get(bar.instrument, SELL)
        return [Submit(bar.instrument, side if bar.close > bar.open else BUY)]
