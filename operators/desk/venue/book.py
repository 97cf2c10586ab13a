"""The orders of one instrument, sorted so that a row finds those in its reach.

way, waiting            (A, number)           from A on
buys, sells             price-time priority   resting limit orders
queued_buys, .._sells   the same              of them those with something ahead (model touch)
trade_up, ask_down, ..  nearest level first   orders that wait for a price: docs/paper.md 5
"""

import math
from bisect import bisect_left, insort
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal

from tapeflow.operators.desk.venue.bounds import Bounds
from tapeflow.operators.desk.venue.levels import source_of, trigger_levels
from tapeflow.operators.desk.venue.orders import ZERO, PaperOrder
from tapeflow.operators.desk.venue.rows import QuoteId
from tapeflow.operators.desk.venue.rules import Model
from tapeflow.schemas.instruments import Instrument
from tapeflow.schemas.sides import BUY, Side
from tapeflow.schemas.time import MAX_NS

SOURCES = ("trade", "bid", "ask", "mark")
NAMES = (
    *("way", "waiting", "buys", "sells", "queued_buys", "queued_sells"),
    *(f"{source}_{direction}" for source in SOURCES for direction in ("up", "down")),
)
CROWDED = 1_000
Key = tuple[float, int, int, str]  # what sorts it, A, number, id
Event = tuple[int, int, int, str, int]  # venue time, rank, number, id, number of the amendment


@dataclass(slots=True)
class Book:
    """The orders of one instrument, and what they took from its last quote."""

    instrument: Instrument
    model: Model
    lists: dict[str, list[Key]] = field(default_factory=lambda: {name: [] for name in NAMES})
    events: list[Event] = field(default_factory=list)  # a heap; stale ones are dropped when met
    crowded: int = CROWDED  # so many events: those of orders that are over are to be dropped
    taken: dict[Side, tuple[QuoteId, Decimal]] = field(default_factory=dict)  # from each side

    def add(self, order: PaperOrder) -> None:
        """Sort an order in, by the stage it is in."""
        for name, key in self.keys_of(order):
            insort(self.lists[name], key)

    def remove(self, order: PaperOrder) -> None:
        """Take an order out; it must not have changed since it was added."""
        for name, key in self.keys_of(order):
            keys = self.lists[name]
            index = bisect_left(keys, key)
            assert keys[index] == key, "the order has changed since it was added"
            del keys[index]

    def keys_of(self, order: PaperOrder) -> Iterator[tuple[str, Key]]:
        """Yield the lists that an order belongs to, each with its key there."""
        when = (order.active_ns, order.number, order.id)
        if order.stage == "UNTRIGGERED":
            source = source_of(order.terms.trigger_on, order.side)
            low, high = trigger_levels(order, self.instrument.tick)
            if low > -math.inf:
                yield f"{source}_down", (-low, *when)
            if high < math.inf:
                yield f"{source}_up", (high, *when)
        elif order.stage == "RESTING":
            side = "buys" if order.side == BUY else "sells"
            key = (-order.side * order.limit, *when)
            yield side, key
            if self.model == "touch" and order.ahead != 0:
                yield f"queued_{side}", key
            if order.retake:
                yield "way", (order.active_ns, *when)
        else:
            yield ("way" if order.stage == "WAY" else "waiting"), (order.active_ns, *when)

    def reach(self, name: str, limit: float, *, strict: bool = False) -> list[str]:
        """Return the ids of the orders in a list whose key is at most `limit`; below, if strict."""
        keys = self.lists[name]
        ids = []
        for key in keys:
            if key[0] > limit or (strict and key[0] == limit):
                break
            ids.append(key[3])
        return ids

    def bounds(self) -> Bounds:
        """Return the bounds beyond which a row may do something to one of the orders."""
        nearest = self.nearest
        buy, sell = -nearest("buys"), nearest("sells")
        bid_low, ask_high = -nearest("bid_down"), nearest("ask_up")
        bid_high, ask_low = nearest("bid_up"), -nearest("ask_down")
        if self.model == "touch":
            ask_low, bid_high = max(ask_low, buy), min(bid_high, sell)
            bid_low = max(bid_low, -nearest("queued_buys"))
            ask_high = min(ask_high, nearest("queued_sells"))
        else:
            buy, sell = math.nextafter(buy, -math.inf), math.nextafter(sell, math.inf)
        return Bounds(
            enter_ns=self.enter_ns(),
            trade_low=max(-nearest("trade_down"), buy),
            trade_high=min(nearest("trade_up"), sell),
            bid_low=bid_low,
            bid_high=bid_high,
            ask_low=ask_low,
            ask_high=ask_high,
            mark_low=-nearest("mark_down"),
            mark_high=nearest("mark_up"),
        )

    def enter_ns(self) -> int:
        """Return the venue time from which every row matters."""
        way, waiting, events = self.lists["way"], self.lists["waiting"], self.events
        first = events[0][0] if events else MAX_NS
        if way and way[0][1] < first:
            first = way[0][1]
        if waiting and waiting[0][1] < first:
            first = waiting[0][1]
        return first

    def nearest(self, name: str) -> float:
        """Return what sorts the first order of a list; infinity where it is empty."""
        keys = self.lists[name]
        return keys[0][0] if keys else math.inf

    def taken_from(self, quote_at: QuoteId, side: Side) -> Decimal:
        """Return what our orders took from a side of a quote."""
        last_at, size = self.taken.get(side, (quote_at, ZERO))
        return size if last_at == quote_at else ZERO

    def take_from(self, quote_at: QuoteId, side: Side, size: Decimal) -> None:
        """Note that our orders took from a side of a quote; of each side the last is known.

        At one row the sides may be of two quotes: the touch before it, and its own.
        """
        self.taken[side] = quote_at, self.taken_from(quote_at, side) + size
