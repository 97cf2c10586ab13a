"""What a strategy says when it says something."""

from msgspec import Struct


class View(Struct, frozen=True):
    """A side, and how strongly, in the strategy's own units."""

    side: int
    strength: float
