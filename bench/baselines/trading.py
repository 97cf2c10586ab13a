"""What happens to a bar: crossings of its averages, risk of one account, positions, the answer.

SPEC.md, sections 5, 6 and 8. Bars are a hundred times rarer than ticks, so all this is plain.
"""

import csv
import json
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.baselines.frames import MILLISECOND, SECOND, UNIVERSE

FAST, SLOW = 12, 26
POSITION_MAX = 1
GROSS_MAX = 60_000
ORDERS_MAX, ORDERS_WINDOW_NS = 8, 10 * SECOND
LATENCY_NS = 250 * MILLISECOND
TAKER_FEE = 0.001
INSTRUMENTS = sorted(name for symbols in UNIVERSE.values() for name in symbols.values())

COLUMNS = {
    "bars": "instrument,start_ns,open,high,low,close,volume,vwap,count",
    "signals": "instrument,bar_end_ns,side,ref_price,decision",
    "fills": "instrument,bar_end_ns,side,price,event_ns,trade_id,fee",
    "positions": "instrument,position,entry,realized,fees",
}
STATS = ("records", "malformed", "unlisted", "duplicate", "late", "accepted")


@dataclass(slots=True)
class Average:
    """An EMA by TA-Lib's definition: its seed is the mean of the first closes."""

    period: int
    count: int = 0
    value: float = 0.0  # the sum of the closes, until there is a seed

    def add(self, close: float) -> None:
        """One more close."""
        self.count += 1
        if self.count > self.period:
            self.value += 2 / (self.period + 1) * (close - self.value)
            return
        self.value += close
        if self.count == self.period:
            self.value /= self.period


@dataclass(slots=True)
class Crossing:
    """The averages of one instrument."""

    fast: Average = field(default_factory=lambda: Average(FAST))
    slow: Average = field(default_factory=lambda: Average(SLOW))

    def side(self, close: float) -> int:
        """Whether this close makes the fast average cross the slow one: 1 upwards, -1 downwards."""
        before = self.fast.value - self.slow.value
        self.fast.add(close)
        self.slow.add(close)
        now = self.fast.value - self.slow.value
        if self.slow.count <= SLOW:
            return 0
        return (before <= 0 < now) - (before >= 0 > now)


@dataclass(slots=True)
class Account:
    """What was approved so far."""

    units: dict[str, int] = field(default_factory=dict)
    notional: dict[str, float] = field(default_factory=dict)
    approved_ns: deque[int] = field(default_factory=lambda: deque(maxlen=ORDERS_MAX))

    def decide(self, instrument: str, side: int, price: float, now_ns: int) -> str:
        """The first check that fails, or APPROVED."""
        units = self.units.get(instrument, 0)
        wanted = units + side
        others = sum(value for name, value in self.notional.items() if name != instrument)
        recent = sum(at_ns > now_ns - ORDERS_WINDOW_NS for at_ns in self.approved_ns)
        if abs(wanted) > POSITION_MAX:
            return "POSITION_LIMIT"
        if abs(wanted) > abs(units) and others + price > GROSS_MAX:
            return "GROSS_LIMIT"
        if recent >= ORDERS_MAX:
            return "RATE_LIMIT"
        self.units[instrument] = wanted
        self.notional[instrument] = abs(wanted) * price
        self.approved_ns.append(now_ns)
        return "APPROVED"


@dataclass(slots=True)
class Position:
    """Of one instrument."""

    units: int = 0
    entry: float = 0.0
    realized: float = 0.0
    fees: float = 0.0

    def fill(self, side: int, price: float) -> float:
        """Open or close a unit; its fee."""
        fee = TAKER_FEE * price
        self.fees += fee
        if self.units == 0:
            self.entry = price
        else:
            self.realized += (price - self.entry) * self.units
            self.entry = 0.0
        self.units += side
        return fee


def position_rows(positions: Mapping[str, Position]) -> list[tuple[object, ...]]:
    """All instruments' positions, traded or not."""
    held = [(name, positions.get(name, Position())) for name in INSTRUMENTS]
    return [(name, each.units, each.entry, each.realized, each.fees) for name, each in held]


def write_table(out: Path, name: str, rows: Iterable[Sequence[object]]) -> None:
    """A table of the answer."""
    with (out / f"{name}.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS[name].split(","))
        writer.writerows(rows)


def write_stats(out: Path, counts: Mapping[str, int]) -> None:
    """The counts of the answer."""
    told = {name: counts.get(name, 0) for name in STATS}
    (out / "stats.json").write_text(json.dumps(told, indent=2) + "\n")
