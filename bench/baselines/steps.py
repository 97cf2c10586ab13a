"""The steps of the per-item flow, each a fold over single items: SPEC.md, sections 1 to 8.

A record goes from step to step as a `Line` or a `Trade`. A record that goes no further becomes a
count: the name of a statistic and a number. Items for the account are `Numbered` by partition.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from msgspec import Struct

from bench.baselines.frames import (
    DECODERS,
    LATENESS_NS,
    MALFORMED,
    MILLISECOND,
    SECOND,
    UNIVERSE,
    Seconds,
    positive,
    rfc3339_ns,
)
from bench.baselines.trading import Account, Bar, BarTrade, Crossing, Row, Signal

COPY_WINDOW = 4096  # records of a partition after which no copy of a trade comes any more
END_NS = 2**64
BEFORE_ALL_NS = -(2**63)
SECONDS = Seconds()


class Line(Struct):
    """A record of a tape: a frame, b"" is a heartbeat; None marks the end of the tape."""

    partition: str
    offset: int
    log_ns: int
    frame: bytes | None


class Trade(Struct):
    """A trade of a listed instrument."""

    partition: str
    offset: int
    log_ns: int
    instrument: str
    trade_id: int
    price: float
    size: float
    event_ns: int


class Numbered(Struct):
    """An item that a partition sends to the account, numbered in log order."""

    partition: str
    number: int
    log_ns: int
    item: Trade | Bar | Signal | Line | None  # None: a bar without a signal; Line: the end


Count: TypeAlias = tuple[str, int]
Record: TypeAlias = Line | Trade | Count


def decode(line: Line) -> Record:
    """Decode the frame of a line, if it has one."""
    if not line.frame:
        return line
    venue = line.partition.partition("-")[0]
    try:
        frame = DECODERS[venue](line.frame)
        price, size = positive(frame.price), positive(frame.size)
        binance = venue == "binance"
        event_ns = frame.time * MILLISECOND if binance else rfc3339_ns(frame.time, SECONDS)
    except MALFORMED:
        return "malformed", 1
    name = UNIVERSE[venue].get(frame.symbol)
    if name is None:
        return "unlisted", 1
    place = line.partition, line.offset, line.log_ns
    return Trade(*place, name, frame.trade_id, price, size, event_ns)


@dataclass
class Seen:
    """Trades of the last records of a partition, and of as many records before them."""

    since: int = 0
    last: set[tuple[str, int]] = field(default_factory=set)
    before: set[tuple[str, int]] = field(default_factory=set)


def dedupe(seen: Seen | None, record: Record) -> tuple[Seen, Record]:
    """Count a trade that came before as a duplicate."""
    seen = seen or Seen()
    if not isinstance(record, Trade):
        return seen, record
    if record.offset - seen.since >= COPY_WINDOW:
        seen.since, seen.last, seen.before = record.offset, set(), seen.last
    identity = record.instrument, record.trade_id
    if identity in seen.last or identity in seen.before:
        return seen, ("duplicate", 1)
    seen.last.add(identity)
    return seen, record


@dataclass
class OpenBars:
    """The watermark of a partition, and the trades of its open bars by end and instrument."""

    newest_ns: int = BEFORE_ALL_NS
    newest_log_ns: int = 0
    watermark_ns: int = BEFORE_ALL_NS
    trades: defaultdict[tuple[int, str], list[BarTrade]] = field(
        default_factory=lambda: defaultdict(list)
    )
    next_end_ns: int = END_NS  # of the open bars
    accepted: int = 0
    number: int = 0  # of what is sent next

    def number_item(self, record: Trade | Line, item: Trade | Bar | Line) -> Numbered:
        """Number an item that follows from a record."""
        self.number += 1
        return Numbered(record.partition, self.number - 1, record.log_ns, item)

    def add(self, trade: Trade) -> Numbered | Count:
        """Put a trade into its bar, unless it is late; move the watermark by it."""
        end_ns = trade.event_ns - trade.event_ns % SECOND + SECOND
        late = end_ns <= self.watermark_ns
        if trade.event_ns > self.newest_ns:
            self.newest_ns, self.newest_log_ns = trade.event_ns, trade.log_ns
            self.watermark_ns = max(self.watermark_ns, self.newest_ns - LATENESS_NS)
        if late:
            return "late", 1
        self.accepted += 1
        self.trades[end_ns, trade.instrument].append((trade.event_ns, trade.price, trade.size))
        self.next_end_ns = min(self.next_end_ns, end_ns)
        return self.number_item(trade, trade)

    def pass_time(self, line: Line) -> None:
        """Move the watermark by the log time that a heartbeat has seen pass; the end passes all."""
        if line.frame is None:
            self.watermark_ns = END_NS
        elif self.newest_ns > BEFORE_ALL_NS:
            reach_ns = self.newest_ns + line.log_ns - self.newest_log_ns
            self.watermark_ns = max(self.watermark_ns, reach_ns - LATENESS_NS)

    def close(self, record: Trade | Line) -> list[Numbered]:
        """Close the bars that the watermark has passed."""
        if self.next_end_ns > self.watermark_ns:
            return []
        due = sorted(key for key in self.trades if key[0] <= self.watermark_ns)
        bars = [Bar.from_trades(key[1], key[0] - SECOND, self.trades.pop(key)) for key in due]
        self.next_end_ns = min((end_ns for end_ns, _ in self.trades), default=END_NS)
        return [self.number_item(record, bar) for bar in bars]


def bars(state: OpenBars | None, record: Record) -> tuple[OpenBars, Iterable[Numbered | Count]]:
    """Build bars of trades; the trades go on too, before the bars that they close."""
    state = state or OpenBars()
    if isinstance(record, tuple):
        return state, [record]
    if isinstance(record, Trade):
        return state, [state.add(record), *state.close(record)]
    state.pass_time(record)
    closed = state.close(record)
    if record.frame is not None:
        return state, closed
    counts = ("records", record.offset), ("accepted", state.accepted)
    return state, [*closed, state.number_item(record, record), *counts]


def cross(crossing: Crossing | None, numbered: Numbered) -> tuple[Crossing, Numbered]:
    """Replace a bar by its signal, or by None."""
    crossing = crossing or Crossing()
    bar: Any = numbered.item
    side = crossing.side(bar.close)
    signal = None
    if side:
        source, end_ns = (numbered.log_ns, numbered.partition), bar.start_ns + SECOND
        signal = Signal(*source, bar.instrument, end_ns, side, bar.close)
    return crossing, Numbered(numbered.partition, numbered.number, numbered.log_ns, signal)


@dataclass
class Lane:
    """The items of a partition that the account has not processed yet, by number."""

    next: int = 0
    waiting: dict[int, Numbered] = field(default_factory=dict)


class Desk:
    """The account; it processes what all partitions send in the order of the log."""

    def __init__(self, partitions: Sequence[str]) -> None:
        self.lanes = {partition: Lane() for partition in partitions}
        self.account = Account()

    def add(self, numbered: Numbered) -> list[tuple[str, Row]]:
        """Add an item, and process all that is now certain to be next; return rows of tables."""
        self.lanes[numbered.partition].waiting[numbered.number] = numbered
        rows: list[tuple[str, Row]] = []
        while self.lanes:
            heads = [lane.waiting.get(lane.next) for lane in self.lanes.values()]
            known = [head for head in heads if head is not None]
            if len(known) < len(heads):
                break
            first = min(known, key=lambda head: (head.log_ns, head.partition))
            lane = self.lanes[first.partition]
            del lane.waiting[lane.next]
            lane.next += 1
            rows += self.process(first)
        return rows

    def process(self, numbered: Numbered) -> list[tuple[str, Row]]:
        """Process one item; return rows of tables."""
        match numbered.item:
            case Trade() as trade:
                holding = self.account.holdings[trade.instrument]
                fill = trade.price, trade.event_ns, trade.trade_id
                rows = holding.fill(trade.log_ns, *fill) if holding.orders else []
                return [("fills", row) for row in rows]
            case Signal() as signal:
                return [("signals", self.account.decide(signal))]
            case Line():
                del self.lanes[numbered.partition]
                rows = [] if self.lanes else self.account.position_rows()
                return [("positions", row) for row in rows]
        return []


def trade(
    desk: Desk | None, numbered: Numbered, *, partitions: Sequence[str]
) -> tuple[Desk, Iterable[tuple[str, Row]]]:
    """Add one item to the account's state."""
    desk = desk or Desk(partitions)
    return desk, desk.add(numbered)
