"""Kinds of bars other than those of the job's width, by the name that a job and a need give them.

1h        wider bars, of the job's own             tick:100  volume:5  dollar:1e6   of that much
quote:1s  of the mid, in log time
"""

from typing import Literal

from msgspec import Struct

from tapeflow.schemas.bar_width import BarWidth

Measure = Literal["tick", "volume", "dollar"]


class WiderKind(Struct, frozen=True):
    """Bars of event time, each of some of the job's own."""

    name: str
    width: BarWidth


class ThresholdKind(Struct, frozen=True):
    """Bars that close when they hold so much."""

    name: str
    measure: Measure  # trades; their sizes; their sizes times their prices
    step: float  # so much is in a bar


class QuoteKind(Struct, frozen=True):
    """Bars of the mid of bid and ask, in log time."""

    name: str
    width: BarWidth


BarKind = WiderKind | ThresholdKind | QuoteKind
