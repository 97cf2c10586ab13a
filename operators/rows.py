"""Rows as a reader gives them, before they are told apart into trades and quotes."""

import math
from typing import Any, NamedTuple, TypeVar

import numpy as np

from schemas.market import (
    ACCEPTED,
    NO_TIME,
    TICKS,
    UNLISTED,
    Bools,
    Columns,
    Floats,
    Ints,
    Quotes,
    Trades,
)
from schemas.venues.strict import Row

C = TypeVar("C", bound=Columns)

INTS = ("instrument", "trade_id", "aggressor", "event_ns", "verdict")
FLOATS = ("price", "size", "bid", "bid_size", "ask", "ask_size")
INSTRUMENT = INTS.index("instrument")
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

    def ticks(
        self, is_trade: Bools, lo: int, log_ns: Ints, status: Ints
    ) -> tuple[Trades, Quotes, Ints]:
        """Name the rows of listed instruments as trades and quotes; the status of their frames.

        is_trade: by channel. log_ns: by frame. Also the first listed instrument of each frame, -1
        where there is none.
        """
        rows = self
        if len(self.frame) and self.ints[INSTRUMENT].min() < 0:
            status[self.frame] = UNLISTED
            rows = self.take(np.flatnonzero(self.ints[INSTRUMENT] >= 0))
            status[rows.frame] = TICKS
        owner = np.full(len(status), -1, np.int64)
        owner[rows.frame[::-1]] = rows.ints[INSTRUMENT][::-1]  # of several the first stays
        mine = is_trade[rows.channel]
        if mine.all():
            return rows.named(Trades, lo, log_ns), Quotes.empty(), owner
        trades, quotes = (rows.take(np.flatnonzero(each)) for each in (mine, ~mine))
        return trades.named(Trades, lo, log_ns), quotes.named(Quotes, lo, log_ns), owner

    def named(self, kind: type[C], lo: int, log_ns: Ints) -> C:
        """Lay the rows out as columns of a kind."""
        told = dict(zip(INTS, self.ints, strict=True)) | dict(zip(FLOATS, self.floats, strict=True))
        told |= {"offset": self.frame + lo, "log_ns": log_ns[self.frame]}
        return kind(*(told[name] for name in kind.names()))


def _matrix(
    read: list[tuple[int, int, Row]], names: tuple[str, ...], defaults: tuple[Any, ...], kind: type
) -> Any:
    columns = [
        [row.get(name, default) for _, _, row in read]
        for name, default in zip(names, defaults, strict=True)
    ]
    return np.array(columns, kind).reshape(len(names), len(read))
