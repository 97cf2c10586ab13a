"""Rows as a reader gives them, before they are told apart into trades and quotes."""

import math
from typing import Any, NamedTuple, TypeVar

import numpy as np

from tapeflow.engine.compiled import compiled
from tapeflow.operators.decode.strict import Row
from tapeflow.schemas.columns import Bools, Columns, Floats, Ints
from tapeflow.schemas.market import ACCEPTED, DECODED, UNLISTED, Quotes, Trades
from tapeflow.schemas.time import NO_TIME

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
        ints, floats = self.ints.take(rows, axis=1), self.floats.take(rows, axis=1)
        return Rows(self.frame[rows], self.channel[rows], ints, floats)

    def ticks(
        self, is_trade: Bools, lo: int, log_ns: Ints, status: Ints
    ) -> tuple[Trades, Quotes, Ints]:
        """Name the rows of listed instruments as trades and quotes; the status of their frames.

        is_trade: by channel. log_ns: by frame. Also the first listed instrument of each frame, -1
        where there is none.
        """
        offset, times = (np.empty(len(self.frame), np.int64) for _ in range(2))
        owner = np.empty(len(status), np.int64)
        instrument = self.ints[INSTRUMENT]
        listed, trades = place(
            self.frame, self.channel, instrument, is_trade, lo, log_ns, offset, times, owner
        )
        if listed < len(offset):
            status[self.frame] = UNLISTED
            rows = self.take(np.flatnonzero(instrument >= 0))
            status[rows.frame] = DECODED
            return rows.ticks(is_trade, lo, log_ns, status)
        if trades == len(offset):
            return self.named(Trades, offset, times), Quotes.empty(), owner
        mine = is_trade[self.channel]
        some, others = np.flatnonzero(mine), np.flatnonzero(~mine)
        return (
            self.take(some).named(Trades, offset[some], times[some]),
            self.take(others).named(Quotes, offset[others], times[others]),
            owner,
        )

    def named(self, kind: type[C], offset: Ints, log_ns: Ints) -> C:
        """Lay the rows out as columns of a kind."""
        told = dict(zip(INTS, self.ints, strict=True)) | dict(zip(FLOATS, self.floats, strict=True))
        told |= {"offset": offset, "log_ns": log_ns}
        return kind(*(told[name] for name in kind.names()))


@compiled
def place(  # noqa: PLR0913, PLR0917  # a kernel takes plain arrays
    frame: Ints,
    channel: Ints,
    instrument: Ints,
    is_trade: Bools,
    lo: int,
    log_ns: Ints,
    offset: Ints,
    times: Ints,
    owner: Ints,
) -> tuple[int, int]:
    """Write place and time of each row, and the first instrument of each frame, -1 where none is.

    How many rows are of listed instruments, and how many are trades.
    """
    owner[:] = -1
    listed, trades = 0, 0
    for row in range(len(frame) - 1, -1, -1):
        number = frame[row]
        offset[row] = lo + number
        times[row] = log_ns[number]
        owner[number] = instrument[row]
        listed += instrument[row] >= 0
        trades += is_trade[channel[row]]
    return listed, trades


def _matrix(
    read: list[tuple[int, int, Row]], names: tuple[str, ...], defaults: tuple[Any, ...], kind: type
) -> Any:
    columns = [
        [row.get(name, default) for _, _, row in read]
        for name, default in zip(names, defaults, strict=True)
    ]
    return np.array(columns, kind).reshape(len(names), len(read))
