"""Which rows of an instrument matter: those that may do something to an order.

trade   v >= enter_ns, or price <= trade_low, or price >= trade_high
quote   v >= enter_ns, or bid or ask at or beyond one of its bounds
mark    mark <= mark_low, or mark >= mark_high, or mark_low is infinity
"""

import math
from typing import NamedTuple

from tapeflow.operators.desk.venue.rows import MarkRow, Row, TradeRow
from tapeflow.schemas.time import MAX_NS


class Bounds(NamedTuple):
    """The bounds of one instrument; these let no row matter."""

    enter_ns: int = MAX_NS
    trade_low: float = -math.inf
    trade_high: float = math.inf
    bid_low: float = -math.inf
    bid_high: float = math.inf
    ask_low: float = -math.inf
    ask_high: float = math.inf
    mark_low: float = -math.inf
    mark_high: float = math.inf

    def unite(self, other: "Bounds") -> "Bounds":
        """Return bounds such that a row matters that matters to either."""
        lows = (max(pair) for pair in zip(self[1::2], other[1::2], strict=True))
        highs = (min(pair) for pair in zip(self[2::2], other[2::2], strict=True))
        ends = [each for pair in zip(lows, highs, strict=True) for each in pair]
        return Bounds(min(self.enter_ns, other.enter_ns), *ends)

    def match(self, row: Row) -> bool:
        """Return whether a row matters: what the desk's kernel computes over columns."""
        if isinstance(row, MarkRow):
            is_beyond = row.mark <= self.mark_low or row.mark >= self.mark_high
            return is_beyond or self.mark_low == math.inf  # every row, also one without a price
        if row.venue_ns >= self.enter_ns:
            return True
        if isinstance(row, TradeRow):
            return row.price <= self.trade_low or row.price >= self.trade_high
        return (
            row.bid <= self.bid_low
            or row.bid >= self.bid_high
            or row.ask <= self.ask_low
            or row.ask >= self.ask_high
        )
