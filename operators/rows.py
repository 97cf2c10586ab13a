"""Rows as a reader gives them, before they are told apart into trades and quotes."""

import math
from typing import Any, NamedTuple

import numpy as np

from operators.compiled import compiled
from schemas.market import ACCEPTED, NO_TIME, TICKS, UNLISTED, Floats, Ints, Quotes, Trades
from schemas.venues.strict import Row

INTS = ("instrument", "trade_id", "aggressor", "event_ns", "verdict")
FLOATS = ("price", "size", "bid", "bid_size", "ask", "ask_size")
INSTRUMENT, EVENT_NS = INTS.index("instrument"), INTS.index("event_ns")
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
        self, is_trade: Ints, lo: int, log_ns: Ints, status: Ints
    ) -> tuple[Trades, Quotes, Ints]:
        """Lay the rows of listed instruments out as trades and quotes; the status of their frames.

        is_trade: by channel. log_ns: by frame. Also the first listed instrument of each frame, -1
        where there is none.
        """
        owner = np.full(len(status), -1, np.int64)
        trade_ints = np.empty((len(Trades.names()) - len(Trades.FLOATS), len(self.frame)), np.int64)
        trade_floats = np.empty((len(Trades.FLOATS), len(self.frame)))
        some = len(self.frame) if not is_trade.all() else 0
        quote_ints = np.empty((len(Quotes.names()) - len(Quotes.FLOATS), some), np.int64)
        quote_floats = np.empty((len(Quotes.FLOATS), some))
        trades, quotes = lay_out(
            self.frame, self.channel, self.ints, self.floats, is_trade, lo, log_ns, status, owner,
            trade_ints, trade_floats, quote_ints, quote_floats,
        )  # fmt: skip
        return (
            Trades(*trade_ints[:, :trades], *trade_floats[:, :trades]),
            Quotes(*quote_ints[:, :quotes], *quote_floats[:, :quotes]),
            owner,
        )


@compiled
def lay_out(  # noqa: PLR0913, PLR0917  # a kernel takes plain arrays
    frame: Ints,
    channel: Ints,
    ints: Ints,
    floats: Floats,
    is_trade: Ints,
    lo: int,
    log_ns: Ints,
    status: Ints,
    owner: Ints,
    trade_ints: Ints,
    trade_floats: Floats,
    quote_ints: Ints,
    quote_floats: Floats,
) -> tuple[int, int]:
    """Write rows into the columns of Trades and of Quotes, in their order; how many of each."""
    trades = quotes = 0
    for row in range(len(frame)):
        number, instrument = frame[row], ints[INSTRUMENT, row]
        if instrument < 0:
            if owner[number] < 0:
                status[number] = UNLISTED
            continue
        if owner[number] < 0:
            owner[number], status[number] = instrument, TICKS
        if is_trade[channel[row]]:
            trade_ints[0, trades] = lo + number
            trade_ints[1, trades] = log_ns[number]
            trade_ints[2:7, trades] = ints[:5, row]
            trade_floats[:2, trades] = floats[:2, row]
            trades += 1
        else:
            quote_ints[0, quotes] = lo + number
            quote_ints[1, quotes] = log_ns[number]
            quote_ints[2, quotes] = instrument
            quote_ints[3, quotes] = ints[EVENT_NS, row]
            quote_floats[:4, quotes] = floats[2:6, row]
            quotes += 1
    return trades, quotes


def _matrix(
    read: list[tuple[int, int, Row]], names: tuple[str, ...], defaults: tuple[Any, ...], kind: type
) -> Any:
    columns = [
        [row.get(name, default) for _, _, row in read]
        for name, default in zip(names, defaults, strict=True)
    ]
    return np.array(columns, kind).reshape(len(names), len(read))
