"""Bars of one partition: trades kept in lists until their bar has closed.

W = max(event_ns) - lateness, in whole numbers that never wrap; a heartbeat adds elapsed log time.
"""

import math
from collections.abc import Iterator
from typing import Any, NamedTuple, TypeAlias

from bench.simulation.bounds import bar_bounds
from bench.simulation.case import TradeRow
from bench.simulation.facts import Place
from bench.simulation.numbers import exact_sum, ns_of

Key: TypeAlias = tuple[tuple[int, int], str]  # start and end of a bar, instrument


class InBar(NamedTuple):
    """A trade in a bar."""

    time: tuple[int, int]  # event time, and what decides between those of one time
    offset: int
    price: float
    size: float
    buys: bool


class BarModel:
    """The open bars of a partition, and its watermark."""

    def __init__(self, job: dict[str, Any], partition: str) -> None:
        self.width, self.lateness_ns = job["bars"]["width"], ns_of(job["bars"]["lateness"])
        self.by_id = job["bars"]["ties"] == "id"
        self.partition = partition
        self.open: dict[Key, list[InBar]] = {}
        self.first_ns: int | None = None  # event time of the first trade
        self.newest_ns: int | None = None  # largest event time, and when it was logged
        self.newest_log_ns = 0
        self.watermark_ns: int | None = None

    def add(self, instrument: str, row: TradeRow, place: Place) -> str:
        """Fold a trade into its bar; return its verdict."""
        bounds, verdict = bar_bounds(self.width, row.event_ns), "accepted"
        if self.watermark_ns is not None and bounds[1] <= self.watermark_ns:
            verdict = "late"
        else:
            numbers = float(row.price), float(row.size)
            rank = row.trade_id if self.by_id else 0
            trade = InBar((row.event_ns, rank), place.offset, *numbers, row.aggressor > 0)
            self.open.setdefault((bounds, instrument), []).append(trade)
        if self.first_ns is None:
            self.first_ns = row.event_ns
        if self.newest_ns is None or row.event_ns > self.newest_ns:
            self.newest_ns, self.newest_log_ns = row.event_ns, place.log_ns
        self.raise_watermark(self.newest_ns - self.lateness_ns)
        return verdict

    def raise_watermark(self, to_ns: int) -> None:
        """Raise the watermark; it never falls."""
        self.watermark_ns = to_ns if self.watermark_ns is None else max(self.watermark_ns, to_ns)

    def pass_time(self, log_ns: int) -> Iterator[dict[str, Any]]:
        """Let a heartbeat bring time; yield the bars that it closes."""
        if self.newest_ns is not None:
            elapsed_ns = log_ns - self.newest_log_ns
            self.raise_watermark(self.newest_ns + elapsed_ns - self.lateness_ns)
        yield from self.close_due()

    def close_due(self) -> Iterator[dict[str, Any]]:
        """Yield the bars that the watermark has passed."""
        mark = self.watermark_ns
        if mark is not None:
            due = [key for key in self.open if key[0][1] <= mark]
            yield from (self.take(key, at_end=False) for key in sorted(due))

    def end(self) -> Iterator[dict[str, Any]]:
        """Yield all open bars: the log has ended."""
        yield from (self.take(key, at_end=True) for key in sorted(self.open))

    def take(self, key: Key, *, at_end: bool) -> dict[str, Any]:
        """Remove a bar and return its row."""
        ((start_ns, end_ns), instrument), trades = key, self.open.pop(key)
        bought = [each for each in trades if each.buys]
        assert self.first_ns is not None and self.newest_ns is not None
        volume = exact_sum(each.size for each in trades)
        notional = exact_sum(each.price * each.size for each in trades)
        return {
            "instrument": instrument, "venue": instrument.partition(".")[2],
            "open_ns": start_ns, "close_ns": end_ns,
            "open": min(trades, key=lambda each: each.time).price,  # of several the first
            "close": max(reversed(trades), key=lambda each: each.time).price,  # the last
            "high": max(each.price for each in trades), "low": min(each.price for each in trades),
            "volume": volume, "notional": notional, "count": len(trades),
            "vwap": notional / volume if volume else math.nan,
            "buy_volume": exact_sum(each.size for each in bought),
            "buy_notional": exact_sum(each.price * each.size for each in bought),
            "complete": self.first_ns <= start_ns and (not at_end or end_ns <= self.newest_ns),
            "partition": self.partition,
            "first_offset": trades[0].offset, "last_offset": trades[-1].offset,
        }  # fmt: skip
