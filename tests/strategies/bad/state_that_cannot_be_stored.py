"""Its state holds an open generator."""

import random

from msgspec import Struct

from tapeflow import Strategy


class Draws(Struct):
    source: random.Random


class StateThatCannotBeStored(Strategy):  # here
    def start(self):
        return Draws(random.Random(7))

    def on_bar(self, state, bar, context):
        state.source.random()
        return ()
