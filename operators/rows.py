"""Rows as a reader gives them, before they are told apart into trades and quotes."""

import math
from typing import Any, NamedTuple

import numpy as np

from schemas.market import ACCEPTED, NO_TIME, Floats, Ints
from schemas.venues.strict import Row

INTS = ("instrument", "trade_id", "aggressor", "event_ns", "verdict")
FLOATS = ("price", "size", "bid", "bid_size", "ask", "ask_size")
INT_DEFAULTS = (-1, 0, 0, NO_TIME, ACCEPTED)  # of a column that a frame does not fill
FLOAT_DEFAULTS = (math.nan,) * len(FLOATS)


class Rows(NamedTuple):
    """What was read of some frames, in the order of the frames and within a frame of the log."""

    frame: Ints  # number of the frame in its page
    channel: Ints  # number of the channel in its dialect
    ints: Ints  # (len(INTS), rows); instrument -1: not listed
    floats: Floats  # (len(FLOATS), rows)

    @classmethod
    def of(cls, read: list[tuple[int, int, Row]]) -> "Rows":
        """Rows that the strict reader gave: (frame, channel, row) each."""
        return cls(
            np.array([frame for frame, _, _ in read], np.int64),
            np.array([channel for _, channel, _ in read], np.int64),
            _matrix(read, INTS, INT_DEFAULTS, np.int64),
            _matrix(read, FLOATS, FLOAT_DEFAULTS, np.float64),
        )

    def merged(self, other: "Rows") -> "Rows":
        """Both, in the order of the frames; no frame may have rows in both."""
        if not len(other.frame):
            return self
        order = np.argsort(np.concatenate([self.frame, other.frame]), kind="stable")
        both = Rows(*(np.concatenate(pair, axis=-1) for pair in zip(self, other, strict=True)))
        return both.take(order)

    def take(self, rows: Ints) -> "Rows":
        """Some of the rows."""
        ints, floats = self.ints[:, rows], self.floats[:, rows]
        return Rows(self.frame[rows], self.channel[rows], ints, floats)


def _matrix(
    read: list[tuple[int, int, Row]], names: tuple[str, ...], defaults: tuple[Any, ...], kind: type
) -> Any:
    columns = [
        [row.get(name, default) for _, _, row in read]
        for name, default in zip(names, defaults, strict=True)
    ]
    return np.array(columns, kind).reshape(len(names), len(read))
