"""Names its timer at random."""

from uuid import uuid4

from tapeflow import SetTimer, Strategy


class MakesIds(Strategy):
    def on_bar(self, state, bar, context):
        yield SetTimer(context.time_ns + 10**9, name=str(uuid4()))  # here
