"""The last bars and features that strategies read, as the desk has passed them in log order.

bars:3@1m     . . . . [b5 b6 b7]      a window over rows that are moved to the front now and then
rsi:14@1m     the value at the last bar, of each instrument
"""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tapeflow.operators.desk.strategies.reads import BarReads
from tapeflow.schemas.bar import Bar
from tapeflow.schemas.columns import Floats
from tapeflow.schemas.market import Bars


@dataclass(slots=True)
class History:
    """The last `count` bars of an instrument and kind."""

    count: int
    columns: dict[str, Any]  # by name: (2 * count,)
    end: int = 0  # rows that are written

    @classmethod
    def empty(cls, count: int) -> "History":
        """Return a history without a bar."""
        dtypes = Bars.dtypes()
        return cls(count, {name: np.empty(2 * count, dtypes[name]) for name in dtypes})

    def add(self, bar: Bar, number: int) -> None:
        """Add a bar of the instrument with this number."""
        if self.end == 2 * self.count:
            for column in self.columns.values():
                column[: self.count] = column[self.count :]
            self.end = self.count
        for name, column in self.columns.items():
            column[self.end] = number if name == "instrument" else getattr(bar, name)
        self.end += 1

    def fill(self, bars: Bars, number: int) -> None:
        """Take over the last bars, of the instrument that has this number now."""
        rows = min(len(bars), self.count)
        for name, column in self.columns.items():
            column[:rows] = getattr(bars, name)[len(bars) - rows :]
        self.columns["instrument"][:rows] = number
        self.end = rows

    def bars(self, count: int) -> Bars:
        """Return the last bars, oldest first, at most `count`; their columns can't be written."""
        rows = slice(max(self.end - min(count, self.count), 0), self.end)
        columns = {name: column[rows] for name, column in self.columns.items()}
        for column in columns.values():
            column.flags.writeable = False
        return Bars(**columns)


@dataclass(slots=True)
class BarMemory:
    """The last bars and features that some strategy needs."""

    reads: BarReads
    features: dict[str, Floats]  # by need: (instruments,), NaN where there is none
    histories: dict[tuple[str, str], History] = field(default_factory=dict)  # kind, instrument

    @classmethod
    def empty(cls, reads: BarReads, instruments: int) -> "BarMemory":
        """Return a memory without a bar."""
        none = np.full(instruments, math.nan)
        features = {each: none.copy() for texts in reads.needs.values() for each in texts}
        return cls(reads, features)

    def add(self, kind: str, bar: Bar, number: int, values: tuple[float, ...]) -> None:
        """Add a bar that is passed, with its features in the order of `reads`."""
        for need, value in zip(self.reads.needs.get(kind, ()), values, strict=True):
            self.features[need][number] = value
        count = self.reads.counts.get(kind, 0)
        if count:
            key = (kind, bar.instrument)
            history = self.histories.get(key)
            if history is None:
                history = self.histories[key] = History.empty(count)
            history.add(bar, number)

    def bars(self, kind: str, instrument: str, count: int) -> Bars:
        """Return the last bars of a kind: at most `count`, of those that are kept."""
        history = self.histories.get((kind, instrument))
        return Bars.empty() if history is None else history.bars(count)
