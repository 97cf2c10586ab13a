"""A feature that remembers the last close outside of its state."""

from tapeflow import Feature

LAST: dict[str, float] = {}


class Change(Feature):
    def on_bar(self, state, bar):  # here
        before = LAST.get(bar.instrument)
        LAST[bar.instrument] = bar.close
        return None if before is None else bar.close - before
