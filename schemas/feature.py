"""The base class of features in a user's file: `from tapeflow import Bar, Feature`.

[features]                                   class Range(Feature):
my_range = "range.py:Range"                      period: int = 20
                                                 ...
needs = ("my_range:50@1m",)                  Range(period=50), of the bars of a minute
"""

from typing import Any, ClassVar

from msgspec import Struct

from tapeflow.schemas.bar import Bar


class Feature(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A feature: a subclass declares its parameters as fields, and handles bars.

    It is called with the bars of one kind in their order, and has a state for each instrument:
    what `start` returned, a msgspec Struct of plain values that `on_bar` changes in place.
    """

    version: ClassVar[int] = 1  # of the state: a state of another version is refused

    def start(self) -> Any:
        """Return the state of an instrument before its first bar, and behind a hole."""
        return None

    def on_bar(self, state: Any, bar: Bar) -> float | None:
        """Return the feature at a bar; None where there is none, as before its warm-up."""
        raise NotImplementedError
