"""An oracle of the desk's view: intents become orders, orders live, fills become positions.

    intents ─▶ Desk ─ place, cancel, amend ─▶ Venue (desk_oracle.py)
               Desk ◀──────── reports ─────── Venue
    facts: events of orders, fills, positions, in the order in which the desk makes them

All intents are approved; orders are not sliced. The life of an order is the table of the design,
one line here for each of its lines; links are: exits are held until an entry fills and live by the
filled size, OCO cancels the others, OUO shrinks them, at the place where the fill is received.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple

from tapeflow.schemas.ids import derive_id
from tapeflow.schemas.orders import Order, terms_fields
from tapeflow.schemas.signals import AmendIntent, AnyIntent, CancelIntent, Intent
from tests.desk_oracle import (
    AmendOrder,
    CancelOrder,
    InstrumentRules,
    Place,
    Received,
    Record,
    Rules,
    Venue,
    in_log_order,
)

ZERO = Decimal(0)
STRENGTH = ("", "LOST", "REJECTED", "EXPIRED", "CANCELED", "FILLED")  # of ends; DENIED is none here


class Event(NamedTuple):
    """One step in the life of an order, as the desk knows it."""

    place: Place
    order_id: str
    kind: str
    phase: str
    end: str
    pending: str
    filled: Decimal
    leaves: Decimal
    price: Decimal | None
    size: Decimal | None
    reason: str
    alert: str


class FillFact(NamedTuple):
    """A fill, as the desk received it."""

    place: Place
    order_id: str
    event_ns: int
    price: Decimal
    size: Decimal
    liquidity: str
    trade_id: int


class PositionFact(NamedTuple):
    """A position after a fill."""

    place: Place
    holder: tuple[str, str, str]  # account, strategy, instrument
    quantity: Decimal


@dataclass
class Facts:
    """What the desk says, each list in its order."""

    orders: list[Order] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    fills: list[FillFact] = field(default_factory=list)
    positions: list[PositionFact] = field(default_factory=list)


@dataclass(eq=False)
class Group:
    """The orders of one intent."""

    entry_rule: str
    exit_rule: str
    entries: list["Working"] = field(default_factory=list)
    exits: list["Working"] = field(default_factory=list)


@dataclass(eq=False)
class Working:
    """An order as the desk knows it."""

    order: Order
    group: Group
    size: Decimal
    wanted: Decimal  # the size that was last placed or asked for
    phase: str = "HELD"
    end: str = ""
    pending: str = ""
    filled: Decimal = ZERO

    def finish(self, end: str) -> None:
        """End it; of two ends the stronger one wins."""
        self.phase, self.pending = "DONE", ""
        self.end = max(self.end, end, key=STRENGTH.index)

    def apply(self, kind: str, size: Decimal | None) -> str:
        """Change by a report; return what is wrong with it, or nothing."""
        held, done = self.phase == "HELD", self.phase == "DONE"
        illegal = (
            "ACCEPTED", "TRIGGERED", "REJECTED", "AMENDED", "CANCEL_REFUSED", "AMEND_REFUSED",
        )  # fmt: skip
        if held and kind in illegal:
            return "ILLEGAL"
        if kind == "SENT" and held:
            self.phase = "SENT"
        if kind in ("ACCEPTED", "TRIGGERED", "AMENDED") and not done:
            self.phase = "OPEN"
        if kind == "FILL":
            self.filled += size
            if not done:
                self.phase = "OPEN"
        if kind == "AMENDED" and not done:
            self.size = self.size if size is None else size
            self.pending = "" if self.pending == "AMEND" else self.pending
        if kind in ("FILL", "AMENDED") and self.filled >= self.size:
            self.finish("FILLED")
        if kind in ("CANCELED", "EXPIRED", "REJECTED"):
            self.finish(kind)
        if kind in ("CANCEL_ASKED", "AMEND_ASKED") and not held and not done:
            self.pending = kind.removesuffix("_ASKED")
        if kind == "CANCEL_ASKED" and held:
            self.finish("CANCELED")
        if kind in ("CANCEL_REFUSED", "AMEND_REFUSED"):
            self.pending = ""
        return ""


class Desk:
    """The desk of a portfolio: what it does when it receives a report, or an intent."""

    def __init__(self, rules: Rules, instruments: Sequence[InstrumentRules]):
        self.facts = Facts()
        self.venue = Venue(rules, instruments, self.receive)
        self.working: dict[str, Working] = {}
        self.quantity: dict[tuple[str, str, str], Decimal] = defaultdict(Decimal)
        self.placed = 0

    # -- what it says ----------------------------------------------------------------------------

    def step(self, place: Place, working: Working, kind: str, **what: Any) -> None:
        """Change an order by a report, and say it."""
        alert = working.apply(kind, what.get("size"))
        leaves = ZERO if working.phase == "DONE" else working.size - working.filled
        self.facts.events.append(
            Event(
                place, working.order.id, kind, working.phase, working.end, working.pending, working.filled, leaves,
                what.get("price"), what.get("size"), what.get("reason", ""), alert,
            )
        )  # fmt: skip

    # -- what it receives ------------------------------------------------------------------------

    def receive(self, report: Received) -> None:
        """Receive a report of the venue."""
        working = self.working[report.order_id]
        self.step(
            report.place, working, report.kind, price=report.price, size=report.size, reason=report.reason
        )  # fmt: skip
        if report.kind == "FILL":
            self.book(report, working.order)
            self.follow_links(report.place, working)
        group = working.group
        over = all(each.phase == "DONE" and not each.filled for each in group.entries)
        if over:  # the entries ended unfilled
            for held in group.exits:
                if held.phase == "HELD":
                    self.step(report.place, held, "CANCELED")

    def book(self, report: Received, order: Order) -> None:
        """Book a fill."""
        self.facts.fills.append(
            FillFact(
                report.place, order.id, report.event_ns, report.price, report.size, report.liquidity, report.trade_id
            )
        )  # fmt: skip
        holder = order.account, order.strategy, order.instrument
        self.quantity[holder] += order.side * report.size
        self.facts.positions.append(PositionFact(report.place, holder, self.quantity[holder]))

    def follow_links(self, place: Place, working: Working) -> None:
        """Do what a fill of an order means for the orders that are linked with it."""
        group = working.group
        is_exit = working in group.exits
        linked, rule = (
            (group.exits, group.exit_rule) if is_exit else (group.entries, group.entry_rule)
        )
        for other in linked:
            if other is not working and rule == "OCO":
                self.cancel(place, other)
            if other is not working and rule == "OUO":
                self.resize(place, other, self.size_of(other))
        if not is_exit:
            for held in group.exits:
                if held.phase == "HELD":
                    self.place(place, held, self.size_of(held))
                else:
                    self.resize(place, held, self.size_of(held))

    def size_of(self, working: Working) -> Decimal:
        """Return the whole size that an order is to have now, with what is filled."""
        group = working.group
        if working in group.exits:
            linked, rule = group.exits, group.exit_rule
            whole = sum((each.filled for each in group.entries), ZERO)
        else:
            linked, rule, whole = group.entries, group.entry_rule, working.order.size
        others = sum((each.filled for each in linked if each is not working), ZERO)
        return whole - others if rule == "OUO" else whole

    # -- what it does ----------------------------------------------------------------------------

    def place(self, place: Place, working: Working, size: Decimal) -> None:
        """Send an order, with a size, to the venue."""
        working.size = working.wanted = size
        self.step(place, working, "SENT")
        self.venue.place_order(place, working.order, size, self.placed)
        self.placed += 1

    def cancel(self, place: Place, working: Working) -> None:
        """Cancel an order that lives and is not being canceled."""
        if working.phase == "DONE" or working.pending == "CANCEL":
            return
        is_held = working.phase == "HELD"
        self.step(place, working, "CANCEL_ASKED")
        if not is_held:
            self.venue.cancel_order(CancelOrder(place, working.order.id))

    def resize(self, place: Place, working: Working, size: Decimal) -> None:
        """Amend an order to a whole size; cancel it where nothing is left."""
        if working.phase in ("HELD", "DONE") or working.pending == "CANCEL":
            return
        if size <= working.filled:
            self.cancel(place, working)
        elif size != working.wanted:
            self.amend(place, working, size, None, None)

    def amend(self, place: Place, working: Working, size, limit, trigger) -> None:
        """Ask the venue to change an order that lives."""
        working.wanted = working.wanted if size is None else size
        self.step(place, working, "AMEND_ASKED", size=size)
        self.venue.amend_order(AmendOrder(place, working.order.id, size, limit, trigger))

    def decide(self, intent: AnyIntent) -> None:
        """Do what a strategy proposes; everything is approved."""
        place = intent.signal.position
        if isinstance(intent, Intent):
            self.approve(place, intent)
        elif (working := self.working.get(intent.order_id)) is None:
            return
        elif isinstance(intent, CancelIntent):
            self.cancel(place, working)
        elif working.phase in ("SENT", "OPEN") and working.pending != "CANCEL":
            self.amend(place, working, intent.size, intent.limit, intent.trigger)

    def approve(self, place: Place, intent: Intent) -> None:
        """Make the orders of an intent, and place its entries."""
        group = Group(intent.entry_rule, intent.exit_rule)
        for order in orders_of(intent):
            working = Working(order, group, order.size, order.size)
            (group.exits if order.role == "exit" else group.entries).append(working)
            self.working[order.id] = working
            self.facts.orders.append(order)
        for working in group.entries:
            self.place(place, working, working.order.size)


def orders_of(intent: Intent) -> list[Order]:
    """Return the orders of an intent: entries, then exits."""
    signal = intent.signal
    ids = [
        derive_id("order", intent.account, signal.strategy, signal.instrument, signal.id, leg)
        for leg in range(1 + len(intent.others))
    ]
    legs = [(ids[0], signal.side, intent.size, intent.terms, "entry")]
    for order_id, leg in zip(ids[1:], intent.others, strict=True):
        legs.append((order_id, leg.side, leg.size, leg.terms, "entry"))
    for number, leg in enumerate(intent.exits):
        order_id = derive_id("order", ids[0], "exit", number)
        legs.append((order_id, leg.side, leg.size, leg.terms, "exit"))
    return [
        Order(
            seq=0,
            id=order_id,
            signal_id=signal.id,
            account=intent.account,
            strategy=signal.strategy,
            instrument=signal.instrument,
            side=side,
            size=size,
            ref_price=Decimal(repr(signal.ref_price)),
            time_ns=signal.time_ns,
            active_ns=signal.time_ns,
            partition=signal.partition,
            offset=signal.offset,
            role=role,
            parent=ids[0] if role == "exit" else "",
            **terms_fields(terms),
        )
        for order_id, side, size, terms, role in legs
    ]


def facts_of(
    rules: Rules,
    instruments: Sequence[InstrumentRules],
    log: Mapping[str, Sequence[Record]],
    intents: Iterable[AnyIntent],
    until_ns: int | None = None,
) -> Facts:
    """Return what a desk says of these intents, each of the place of a record."""
    desk = Desk(rules, instruments)
    at: dict[Place, list[AnyIntent]] = defaultdict(list)
    for intent in sorted(intents, key=lambda each: each.sort_key):
        at[intent.signal.position].append(intent)
    for partition, record in in_log_order(log):
        desk.venue.process(partition, record)
        for intent in at[desk.venue.place]:
            desk.decide(intent)
        desk.venue.fall_due(record.log_ns)
    if until_ns is not None:
        desk.venue.fall_due(until_ns)
    return desk.facts


__all__ = ["AmendIntent", "Desk", "Event", "Facts", "FillFact", "PositionFact", "facts_of"]
