"""A context that is lent for one call: what it gave is of no use after it."""

from typing import Any


class LentContext:
    """A context that hands out copies, which are of no use after the call where it spoils them."""

    def __init__(self, context: Any, spoils: bool) -> None:
        self._context, self._spoils = context, spoils
        self._is_over = False
        self._copies: list[Any] = []

    def __getattr__(self, name: str) -> Any:
        if self._is_over and self._spoils:
            raise RuntimeError(f"context.{name} after the call: a context is of one call")
        return getattr(self._context, name)

    def bars(self, instrument: str, kind: str = "") -> Any:
        """Return copies of the bars, which cannot be written."""
        if self._is_over and self._spoils:
            raise RuntimeError("context.bars after the call: a context is of one call")
        bars = self._context.bars(instrument, kind)
        if not self._spoils:
            return bars
        copies = [column.copy() for column in bars.arrays()]
        self._copies += copies
        views = [column.view() for column in copies]
        for view in views:
            view.flags.writeable = False
        return type(bars)(*views)

    def close(self) -> None:
        """End the call: write over what it gave."""
        self._is_over = True
        for column in self._copies:
            column.fill(-1)
