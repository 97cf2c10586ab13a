"""Define what the venue is shown: rows of the market, and what stood before them.

    trades 100.5    quotes 100/101    mark 100.4        in the order of places: docs/paper.md 1

A side without a price is NaN or 0. Each row has its venue time: the loop computes it.
"""

import math
from typing import NamedTuple

from tapeflow.schemas.time import MIN_NS, NO_TIME, LogPosition


class QuoteId(NamedTuple):
    """Which quote of an instrument: our orders take from each only once."""

    log_ns: int
    offset: int
    row: int = 0  # among the quotes of its record


class TradeRow(NamedTuple):
    """An accepted trade at a price that is traded."""

    position: LogPosition
    instrument: int
    venue_ns: int
    price: float
    size: float
    event_ns: int = NO_TIME
    trade_id: int = -1


class QuoteRow(NamedTuple):
    """A quote of any kind; only one of a market becomes the touch."""

    position: LogPosition
    instrument: int
    venue_ns: int
    bid: float
    bid_size: float
    ask: float
    ask_size: float
    event_ns: int = NO_TIME
    row: int = 0  # among the quotes of its record


class MarkRow(NamedTuple):
    """A mark price: it triggers, and enters nothing."""

    position: LogPosition
    instrument: int
    venue_ns: int
    mark: float


Row = TradeRow | QuoteRow | MarkRow


class Standing(NamedTuple):
    """Market of an instrument before a place: its touch, its last trade, the delay of its feed."""

    bid: float = math.nan
    bid_size: float = math.nan
    ask: float = math.nan
    ask_size: float = math.nan
    quote_at: QuoteId = QuoteId(MIN_NS, -1)
    last: float = math.nan  # price of the last trade
    last_at: tuple[int, int] = (MIN_NS, -1)  # log time and offset of it
    delay_ns: int = 0  # log time less venue time of the last trade or quote


NOTHING = Standing()
