"""The steps of the per-item flow, each a fold over single items: SPEC.md, sections 1 to 8."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from bench.baselines.events import Bar, Count, End, Line, Numbered, Record, Signal, Trade
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
from bench.baselines.trading import LATENCY_NS, Account, Crossing, Position, position_rows

MEMORY = 4096  # records of a partition after which no copy comes any more
NEVER = 2**64
BEFORE_ALL_NS = -(2**63)
SECONDS = Seconds()
TableRow: TypeAlias = tuple[str, tuple[object, ...]]


def decode(record: Line | End) -> Record:
    """What a line says."""
    if isinstance(record, End) or not record.frame:
        return record
    venue = record.partition.partition("-")[0]
    try:
        told = DECODERS[venue](record.frame)
        price, size = positive(told.price), positive(told.size)
        binance = venue == "binance"
        event_ns = told.time * MILLISECOND if binance else rfc3339_ns(told.time, SECONDS)
    except MALFORMED:
        return Count("malformed")
    instrument = UNIVERSE[venue].get(told.symbol)
    if instrument is None:
        return Count("unlisted")
    return Trade(
        record.partition, record.offset, record.log_ns, instrument, told.trade_id, price, size,
        event_ns,
    )  # fmt: skip


@dataclass
class Seen:
    """Trades of the last records, and of as many before them."""

    since: int = 0
    last: set[tuple[str, int]] = field(default_factory=set)
    before: set[tuple[str, int]] = field(default_factory=set)


def dedupe(seen: Seen | None, record: Record) -> tuple[Seen, Record]:
    """Drop a trade that was seen before."""
    seen = seen or Seen()
    if not isinstance(record, Trade):
        return seen, record
    if record.offset - seen.since >= MEMORY:
        seen.since, seen.last, seen.before = record.offset, set(), seen.last
    identity = record.instrument, record.trade_id
    if identity in seen.last or identity in seen.before:
        return seen, Count("duplicate")
    seen.last.add(identity)
    return seen, record


@dataclass
class Clock:
    """The watermark of a partition and its open bars, by end and instrument."""

    newest_ns: int = BEFORE_ALL_NS
    newest_log_ns: int = 0
    watermark_ns: int = BEFORE_ALL_NS
    bars: dict[tuple[int, str], Bar] = field(default_factory=dict)
    next_end_ns: int = NEVER  # of the open bars
    accepted: int = 0
    number: int = 0  # of what the desk is told next

    def tell(self, record: Trade | Line | End, what: Trade | Bar | End) -> Numbered:
        """Give something its number."""
        self.number += 1
        return Numbered(record.partition, self.number - 1, record.log_ns, what)

    def trade(self, trade: Trade) -> list[Numbered | Count]:
        """Put a trade in its bar, unless it's late; then move the watermark."""
        end_ns = trade.event_ns - trade.event_ns % SECOND + SECOND
        late = end_ns <= self.watermark_ns
        if trade.event_ns > self.newest_ns:
            self.newest_ns, self.newest_log_ns = trade.event_ns, trade.log_ns
        self.watermark_ns = max(self.watermark_ns, self.newest_ns - LATENESS_NS)
        if late:
            return [Count("late"), *self.closed(trade)]
        self.accepted += 1
        key = end_ns, trade.instrument
        bar = self.bars.get(key)
        if bar is None:
            self.bars[key] = first(trade, end_ns - SECOND)
            self.next_end_ns = min(self.next_end_ns, end_ns)
        else:
            grow(bar, trade)
        return [self.tell(trade, trade), *self.closed(trade)]

    def heartbeat(self, line: Line) -> list[Numbered]:
        """Move the watermark by the time that has passed."""
        if self.newest_ns == BEFORE_ALL_NS:
            return []
        passed_ns = line.log_ns - self.newest_log_ns
        self.watermark_ns = max(self.watermark_ns, self.newest_ns + passed_ns - LATENESS_NS)
        return self.closed(line)

    def end(self, end: End) -> list[Numbered | Count]:
        """Close what is open."""
        self.watermark_ns = NEVER
        counts = Count("records", end.records), Count("accepted", self.accepted)
        return [*self.closed(end), self.tell(end, end), *counts]

    def closed(self, record: Trade | Line | End) -> list[Numbered]:
        """The bars that the watermark has passed."""
        if self.next_end_ns > self.watermark_ns:
            return []
        due = sorted(key for key in self.bars if key[0] <= self.watermark_ns)
        told = [self.tell(record, self.bars.pop(key)) for key in due]
        self.next_end_ns = min((end_ns for end_ns, _ in self.bars), default=NEVER)
        return told


def first(trade: Trade, start_ns: int) -> Bar:
    """The bar of its first trade."""
    price, size, event_ns = trade.price, trade.size, trade.event_ns
    return Bar(
        trade.instrument, start_ns, price, price, price, price, size, price * size, 1, event_ns,
        event_ns,
    )  # fmt: skip


def grow(bar: Bar, trade: Trade) -> None:
    """One more trade."""
    price = trade.price
    if trade.event_ns < bar.first_ns:
        bar.first_ns, bar.open = trade.event_ns, price
    if trade.event_ns >= bar.last_ns:
        bar.last_ns, bar.close = trade.event_ns, price
    bar.high, bar.low = max(bar.high, price), min(bar.low, price)
    bar.volume += trade.size
    bar.notional += price * trade.size
    bar.count += 1


def bars(clock: Clock | None, record: Record) -> tuple[Clock, Iterable[Numbered | Count]]:
    """Trades become bars; the trades go on too."""
    clock = clock or Clock()
    match record:
        case Trade():
            return clock, clock.trade(record)
        case Line():
            return clock, clock.heartbeat(record)
        case End():
            return clock, clock.end(record)
    return clock, [record]


def goes_on(told: object) -> bool:
    """Not only to be counted."""
    return not isinstance(told, Count)


def is_bar(told: Any) -> bool:
    """Goes to its instrument's averages, before the desk hears of it."""
    return isinstance(told.what, Bar)


def bar_row(told: Numbered) -> TableRow:
    """A row of bars.csv."""
    bar = told.what
    assert isinstance(bar, Bar)
    ohlc = bar.open, bar.high, bar.low, bar.close
    vwap = bar.notional / bar.volume
    return "bars", (bar.instrument, bar.start_ns, *ohlc, bar.volume, vwap, bar.count)


def cross(crossing: Crossing | None, told: Numbered) -> tuple[Crossing, Numbered]:
    """A bar becomes a signal, or None."""
    crossing = crossing or Crossing()
    bar = told.what
    assert isinstance(bar, Bar)
    side = crossing.side(bar.close)
    end_ns = bar.start_ns + SECOND
    signal = Signal(bar.instrument, end_ns, side, bar.close) if side else None
    return crossing, Numbered(told.partition, told.number, told.log_ns, signal)


@dataclass
class Lane:
    """What a partition has told and was not yet heard; its order is that of the numbers."""

    next: int = 0
    told: dict[int, Numbered] = field(default_factory=dict)


class AccountContext:
    """The account; it hears all partitions in the order of the log."""

    def __init__(self, partitions: Sequence[str]) -> None:
        self.lanes = {partition: Lane() for partition in partitions}
        self.account = Account()
        self.orders: dict[str, list[tuple[int, Signal]]] = {}  # at rest, and since when
        self.positions: dict[str, Position] = {}

    def take(self, told: Numbered) -> list[TableRow]:
        """Hear it, and all that has waited for it."""
        self.lanes[told.partition].told[told.number] = told
        rows: list[TableRow] = []
        while self.lanes:
            heads = [lane.told.get(lane.next) for lane in self.lanes.values()]
            known = [head for head in heads if head is not None]
            if len(known) < len(heads):
                break
            first = min(known, key=lambda head: (head.log_ns, head.partition))
            lane = self.lanes[first.partition]
            del lane.told[lane.next]
            lane.next += 1
            rows += self.hear(first)
        return rows

    def hear(self, told: Numbered) -> list[TableRow]:
        """What follows from it."""
        match told.what:
            case Trade() as trade:
                return self.fill(trade) if self.orders.get(trade.instrument) else []
            case Signal() as signal:
                return [self.decide(signal, told.log_ns)]
            case End():
                del self.lanes[told.partition]
                return (
                    []
                    if self.lanes
                    else [("positions", row) for row in position_rows(self.positions)]
                )
        return []

    def decide(self, signal: Signal, now_ns: int) -> TableRow:
        """Ask the account."""
        name, side, price = signal.instrument, signal.side, signal.price
        verdict = self.account.decide(name, side, price, now_ns)
        if verdict == "APPROVED":
            self.orders.setdefault(name, []).append((now_ns, signal))
        return "signals", (name, signal.bar_end_ns, side, price, verdict)

    def fill(self, trade: Trade) -> list[TableRow]:
        """Fill the orders that have reached the venue."""
        orders = self.orders[trade.instrument]
        arrived = [order for at_ns, order in orders if at_ns + LATENCY_NS <= trade.log_ns]
        self.orders[trade.instrument] = orders[len(arrived) :]  # all take as long to get there
        position = self.positions.setdefault(trade.instrument, Position())
        price, event_ns, trade_id = trade.price, trade.event_ns, trade.trade_id
        rows: list[TableRow] = []
        for order in arrived:
            fee = position.fill(order.side, price)
            row = order.instrument, order.bar_end_ns, order.side, price, event_ns, trade_id, fee
            rows.append(("fills", row))
        return rows


def trade(
    desk: AccountContext | None, told: Numbered, *, partitions: Sequence[str]
) -> tuple[AccountContext, Iterable[TableRow]]:
    """The desk hears one thing more."""
    desk = desk or AccountContext(partitions)
    return desk, desk.take(told)
