"""A venue that does with orders whatever a test wants, and a desk that carries out actions.

    desk ─commands─▶ venue ─reports─▶ desk: apply_report, follow, actions

Nothing moves by itself: `take` lets the venue take the next command, `hear` the desk a report.
"""

from dataclasses import dataclass, field
from decimal import Decimal

import msgspec

from tapeflow.operators.desk import slices
from tapeflow.operators.desk.action_reports import reports_of
from tapeflow.operators.desk.actions import Amend, Apply, Cancel, Place, Release, Slice, Timer
from tapeflow.operators.desk.life import apply_report
from tapeflow.operators.desk.links import follow
from tapeflow.operators.desk.order_facts import command
from tapeflow.operators.desk.working import Sliced, Working, begin
from tapeflow.operators.desk.working_orders import WorkingOrders
from tapeflow.schemas.orders import Report

PRICE = Decimal(100)


@dataclass
class VenueOrder:
    """An order as the venue has it."""

    size: Decimal
    filled: Decimal = Decimal(0)
    is_open: bool = True

    @property
    def leaves(self):
        return max(self.size - self.filled, Decimal(0)) if self.is_open else Decimal(0)


@dataclass
class Bench:
    """A desk with its working orders, and a venue; commands and reports wait between them."""

    orders: WorkingOrders = field(default_factory=WorkingOrders)
    venue: dict[str, VenueOrder] = field(default_factory=dict)
    commands: list = field(default_factory=list)
    reports: list[Report] = field(default_factory=list)
    actions: list = field(default_factory=list)  # all that were carried out
    alerts: list[str] = field(default_factory=list)
    timers: list[tuple[int, str]] = field(default_factory=list)
    now: int = 100

    def start(self, orders):
        """Add orders of an intent and send the entries."""
        for order in orders:
            self.orders.add(begin(order))
        for order in orders:
            if order.role == "entry":
                self.carry_out(Release(order.id, order.size))

    def get(self, name) -> Working:
        return self.orders.by_id[name]

    def report(self, name, kind, **fields):
        self.now += 1
        for each in {"size", "price"} & fields.keys():
            fields[each] = Decimal(fields[each])
        return Report(name, kind, (self.now, "x-0", self.now), self.now, **fields)

    # --- the desk ---

    def apply(self, report):
        """Apply a report and carry out what follows."""
        working = self.get(report.order_id)
        outcome = apply_report(working, report)
        if outcome.alert:
            self.alerts.append(outcome.alert)
        if outcome.has_ended:
            self.orders.note_end(working)
        self.carry_out_all(follow(self.orders, working, outcome))
        return outcome

    @property
    def position(self):
        return self.now, "x-0", self.now

    def carry_out(self, action):
        """Carry out an action as the loop of the desk does."""
        self.actions.append(action)
        match action:
            case Timer(due_ns, name):
                self.timers.append((due_ns, name))
            case Slice(name):
                self.carry_out_all(slices.go_on(self.orders, name, self.position))
            case Apply(report):
                self.apply(report)
            case Cancel(name, reason) if name in self.orders.slices:
                follows = slices.cancel(self.orders, self.get(name), reason, self.position)
                self.carry_out_all(follows)
            case Amend(name) if name in self.orders.slices:
                follows = slices.amend(self.orders, self.get(name), action, self.position)
                self.carry_out_all(follows)
            case Place(order):
                self.request(action, self.orders.add(begin(order)))
            case _:
                self.request(action, self.get(action.order_id))

    def request(self, action, working):
        """Apply the desk's own reports of an action, and send the command."""
        was_held = working.phase == "HELD"
        reports = reports_of(action, working, self.position)
        for each in reports:
            self.apply(each)
        if reports and (isinstance(action, Place | Release) or not was_held):
            self.commands.append(command(1, working, action, self.now, 1000))

    def carry_out_all(self, actions):
        for action in actions:
            self.carry_out(action)

    def advance(self, now):
        """Let log time pass, with the timers that are due on the way."""
        while self.timers and min(self.timers)[0] <= now:
            due_ns, name = min(self.timers)
            self.timers.remove((due_ns, name))
            self.now = max(self.now, due_ns)
            self.carry_out_all(slices.go_on(self.orders, name, (due_ns, "", -1)))
        self.now = max(self.now, now)

    def bar(self, instrument, volume, open_ns=None):
        """Show the desk a bar."""
        opened = self.now if open_ns is None else open_ns
        self.carry_out_all(slices.on_bar(self.orders, instrument, opened, volume, self.position))

    # --- the venue ---

    def take(self, refuse=False):
        """Let the venue take the next command; it may refuse what it could do."""
        given = self.commands.pop(0)
        action, name, size = given.action, given.order_id, given.size
        order = self.venue.get(name)
        if action == "PLACE":
            assert order is None, "sent twice"
            self.venue[name] = VenueOrder(size, is_open=not refuse)
            self.reports.append(self.report(name, "REJECTED" if refuse else "ACCEPTED"))
        elif not order.is_open:
            self.reports.append(self.report(name, f"{action}_REFUSED", reason="ORDER_OVER"))
        elif action == "CANCEL":
            order.is_open = False
            self.reports.append(self.report(name, "CANCELED"))
        elif refuse:
            self.reports.append(self.report(name, "AMEND_REFUSED", reason="NO_AMENDMENTS"))
        else:
            order.size, order.is_open = size, size > order.filled
            self.reports.append(self.report(name, "AMENDED", size=size))

    def fill(self, name, size):
        """Fill an order at the venue."""
        order = self.venue[name]
        order.filled += size
        order.is_open = order.filled < order.size
        number = f"{name}-{order.filled}"
        self.reports.append(self.report(name, "FILL", execution_id=number, size=size, price=PRICE))

    def end(self, name, kind, reason=""):
        self.venue[name].is_open = False
        self.reports.append(self.report(name, kind, reason=reason))

    def open_orders(self):
        return [name for name, order in self.venue.items() if order.is_open]

    def hear(self, number=0, doubled=False):
        """Let the desk hear one of the reports."""
        report = self.reports[number] if doubled else self.reports.pop(number)
        return self.apply(report)

    def settle(self):
        """Let everything that is on its way arrive, in order."""
        for _ in range(10_000):
            if self.reports:
                self.hear()
            elif self.commands:
                self.take()
            else:
                return
        raise AssertionError("commands without end")

    def restart(self):
        """Go on from a snapshot."""
        state = [*self.orders.rows()], [*self.orders.slices.values()]
        encoded = msgspec.msgpack.encode(state)
        rows, sliced = msgspec.msgpack.decode(encoded, type=tuple[list[Working], list[Sliced]])
        assert (rows, sliced) == state
        self.orders = WorkingOrders.from_rows(rows, sliced, self.orders.late_ns)
        self.timers = [(each.due_ns, each.order_id) for each in slices.due_timers(self.orders)]
