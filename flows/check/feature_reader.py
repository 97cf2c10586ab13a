"""A user's feature behind a strategy that reads it at each bar, so that both have the same laws.

bar ─▶ FeatureReader.on_bar ─▶ Range.on_bar(state of the instrument, bar) ─▶ Value
"""

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Struct

from tapeflow.operators.features.needed import check_value
from tapeflow.schemas.bar import Bar
from tapeflow.schemas.context import Context
from tapeflow.schemas.strategy import Strategy

KIND = f"{__name__}:FeatureReader"


class Value(Struct, frozen=True):
    """A value of a feature: no request, and compared as one."""

    value: Any


class FeatureReader(Strategy, frozen=True):
    """Calls a feature with each bar, with a state for each instrument."""

    feature: Any = None

    def start(self) -> Any:
        """Return no states yet; their type is that of the feature's."""
        states: Any = dict[str, type(self.feature.start())]  # type: ignore[misc]
        fields: list[Any] = [("of", states, msgspec.field(default_factory=dict))]
        return msgspec.defstruct("States", fields)()

    def on_bar(self, state: Any, bar: Bar, context: Context) -> Iterator[Any]:
        """Yield the value at a bar. Raises TypeError where it is no number."""
        if bar.instrument not in state.of:
            state.of[bar.instrument] = self.feature.start()
        value = self.feature.on_bar(state.of[bar.instrument], bar)
        check_value(value)
        yield Value(value)
