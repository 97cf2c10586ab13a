"""From the trades of a closed bar to positions; both baselines share it.

    trades ─▶ Bar ─▶ Crossing ─side─▶ Signal ─▶ Account.decide ─order─▶ Holding.fill ─▶ Position

SPEC.md, sections 4 to 6 and 8. Bars are a hundred times rarer than ticks, so all this is plain.
"""

import csv
import json
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import mul
from pathlib import Path
from typing import NamedTuple, TypeAlias

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

Row: TypeAlias = tuple[object, ...]  # of one of the tables
BarTrade: TypeAlias = tuple[int, float, float]  # event time, price, size


class Bar(NamedTuple):
    """A closed second of an instrument, its fields in the order of the table."""

    instrument: str
    start_ns: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    vwap: float
    trades: int

    @classmethod
    def from_trades(cls, instrument: str, start_ns: int, trades: Sequence[BarTrade]) -> "Bar":
        """Build a bar of its trades, which stand in the order of the log."""
        event_ns, prices, sizes = zip(*trades, strict=True)
        first = event_ns.index(min(event_ns))
        last = len(event_ns) - 1 - event_ns[::-1].index(max(event_ns))
        ohlc = prices[first], max(prices), min(prices), prices[last]
        volume = sum(sizes)
        vwap = sum(map(mul, prices, sizes)) / volume
        return cls(instrument, start_ns, *ohlc, volume, vwap, len(prices))


class Signal(NamedTuple):
    """An intent to buy (side 1) or sell (-1) one unit; an order once approved."""

    decided_ns: int
    partition: str
    instrument: str
    bar_end_ns: int
    side: int
    price: float


@dataclass(slots=True)
class Average:
    """An EMA by TA-Lib's definition: its seed is the mean of the first closes."""

    period: int
    count: int = 0
    value: float = 0.0  # the sum of the closes, until there is a seed

    def add(self, close: float) -> None:
        """Update the average with one more close."""
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
        """Add a close; return 1 if the fast average crosses the slow one upwards, -1 downwards."""
        before = self.fast.value - self.slow.value
        self.fast.add(close)
        self.slow.add(close)
        now = self.fast.value - self.slow.value
        if self.slow.count <= SLOW:
            return 0
        return (before <= 0 < now) - (before >= 0 > now)


@dataclass(slots=True)
class Position:
    """The position in one instrument."""

    units: int = 0
    entry: float = 0.0
    realized: float = 0.0
    fees: float = 0.0

    def fill(self, side: int, price: float) -> float:
        """Open or close a unit; return its fee."""
        fee = TAKER_FEE * price
        self.fees += fee
        if self.units == 0:
            self.entry = price
        else:
            self.realized += (price - self.entry) * self.units
            self.entry = 0.0
        self.units += side
        return fee


@dataclass(slots=True)
class Holding:
    """Open orders and position of one instrument."""

    instrument: str
    orders: list[Signal] = field(default_factory=list)  # by the time they were decided
    position: Position = field(default_factory=Position)

    def fill(self, log_ns: int, price: float, event_ns: int, trade_id: int) -> list[Row]:
        """Fill the orders that have reached the venue by a trade; return rows of fills."""
        rows: list[Row] = []
        while self.orders and self.orders[0].decided_ns + LATENCY_NS <= log_ns:
            order = self.orders.pop(0)
            fee = self.position.fill(order.side, price)
            end_ns, side = order.bar_end_ns, order.side
            rows.append((self.instrument, end_ns, side, price, event_ns, trade_id, fee))
        return rows


@dataclass(slots=True)
class Account:
    """Approved exposure by instrument, the times of the last orders, and all holdings."""

    units: dict[str, int] = field(default_factory=dict)
    notional: dict[str, float] = field(default_factory=dict)
    approved_ns: deque[int] = field(default_factory=lambda: deque(maxlen=ORDERS_MAX))
    holdings: dict[str, Holding] = field(
        default_factory=lambda: {name: Holding(name) for name in INSTRUMENTS}
    )

    def decide(self, signal: Signal) -> Row:
        """Make a signal an order if every check approves it; return its row of signals."""
        name, side, price = signal.instrument, signal.side, signal.price
        decision = self.check(name, side, price, signal.decided_ns)
        if decision == "APPROVED":
            self.holdings[name].orders.append(signal)
        return name, signal.bar_end_ns, side, price, decision

    def check(self, instrument: str, side: int, price: float, now_ns: int) -> str:
        """Return the name of the first check that fails, or record the exposure: APPROVED."""
        units = self.units.get(instrument, 0)
        proposed = units + side
        others = sum(value for name, value in self.notional.items() if name != instrument)
        recent = sum(at_ns > now_ns - ORDERS_WINDOW_NS for at_ns in self.approved_ns)
        if abs(proposed) > POSITION_MAX:
            return "POSITION_LIMIT"
        if abs(proposed) > abs(units) and others + price > GROSS_MAX:
            return "GROSS_LIMIT"
        if recent >= ORDERS_MAX:
            return "RATE_LIMIT"
        self.units[instrument] = proposed
        self.notional[instrument] = abs(proposed) * price
        self.approved_ns.append(now_ns)
        return "APPROVED"

    def position_rows(self) -> list[Row]:
        """Return the rows of positions: of all instruments, traded or not."""
        held = [(name, holding.position) for name, holding in self.holdings.items()]
        return [(name, p.units, p.entry, p.realized, p.fees) for name, p in held]


def write_table(out: Path, name: str, rows: Iterable[Sequence[object]]) -> None:
    """Write a table of the answer as CSV."""
    with (out / f"{name}.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS[name].split(","))
        writer.writerows(rows)


def write_stats(out: Path, counts: Mapping[str, int]) -> None:
    """Write the counts of the answer as JSON."""
    stats = {name: counts.get(name, 0) for name in STATS}
    (out / "stats.json").write_text(json.dumps(stats, indent=2) + "\n")
