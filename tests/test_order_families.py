"""Groups, brackets and slices together, with all that can go wrong: nothing is sent too much.

Entries of one or two sides, linked or not, each with exits, the first of them in slices or not; a
venue that does what it likes; reports in any order, doubled, lost and found; users who cancel and
amend; restarts between.
"""

from decimal import Decimal

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tapeflow.operators.desk import slices
from tapeflow.operators.desk.actions import Amend, Cancel, Release
from tapeflow.operators.desk.legs import make_orders
from tapeflow.operators.desk.working import begin
from tapeflow.schemas.sides import BUY, SELL
from tapeflow.schemas.signals import Intent, Leg
from tests.order_venue import Bench
from tests.test_links import ENTRY, STOP, TARGET
from tests.test_slices import BTC, SECOND, SIGNAL, SLICINGS

choices = st.integers(0, 1000)
legs = st.builds(
    Leg,
    st.sampled_from([BUY, SELL]),
    st.integers(1, 12).map(Decimal),
    st.sampled_from([TARGET, STOP]),
)
intents = st.builds(
    Intent, st.just("main"), st.just(SIGNAL), st.integers(1, 12).map(Decimal), st.just(ENTRY),
    st.lists(legs, max_size=2).map(tuple), st.sampled_from(["", "OCO", "OUO"]),
    st.lists(legs, max_size=3).map(tuple), st.sampled_from(["", "OCO", "OUO"]),
    st.none() | st.sampled_from(SLICINGS),
)  # fmt: skip


class Families(RuleBasedStateMachine):
    """One intent, and everything that may happen to its orders."""

    def __init__(self):
        super().__init__()
        self.bench = None

    @precondition(lambda self: self.bench is None)
    @rule(intent=intents)
    def start(self, intent):
        self.bench = Bench()
        orders = make_orders(intent, Decimal(100), lambda _: 0)
        for order in orders:
            self.bench.orders.add(begin(order))
        for order in orders:
            if order is orders[0] and intent.slicing:
                parent, lot = self.bench.get(order.id), Decimal(1)
                follows = slices.start(
                    self.bench.orders, parent, intent.slicing, lot, self.bench.position
                )
                self.bench.carry_out_all(follows)
            elif order.role == "entry":
                self.bench.carry_out(Release(order.id, order.size))

    def pick(self, which, names):
        return names[which % len(names)]

    def at_venue(self):
        """Return the orders that the desk believes to be at the venue, or on their way."""
        return [
            name
            for name, each in self.bench.orders.by_id.items()
            if each.phase in ("SENT", "OPEN") and name not in self.bench.orders.slices
        ]

    @precondition(lambda self: self.bench and self.bench.commands)
    @rule(refuse=st.booleans())
    def take(self, refuse):
        self.bench.take(refuse and self.bench.commands[0].action != "CANCEL")

    @precondition(lambda self: self.bench and self.bench.open_orders())
    @rule(which=choices, size=st.integers(1, 14), over=st.integers(0, 9))
    def fill(self, which, size, over):
        name = self.pick(which, self.bench.open_orders())
        leaves = self.bench.venue[name].leaves
        self.bench.fill(name, Decimal(size) if over == 0 else min(Decimal(size), leaves))

    @precondition(lambda self: self.bench and self.bench.open_orders())
    @rule(
        which=choices,
        kind=st.sampled_from(["CANCELED", "EXPIRED", "TRIGGERED"]),
        reason=st.sampled_from(["", "NOTHING_TO_REDUCE"]),
    )
    def end(self, which, kind, reason):
        name = self.pick(which, self.bench.open_orders())
        if kind == "TRIGGERED":
            self.bench.reports.append(self.bench.report(name, kind))
        else:
            self.bench.end(name, kind, reason)

    @precondition(lambda self: self.bench and self.at_venue())
    @rule(which=choices, kind=st.sampled_from(["LOST", "UNKNOWN", "ACCEPTED"]))
    def doubt(self, which, kind):
        name = self.pick(which, self.at_venue())
        self.bench.reports.append(self.bench.report(name, kind))

    @precondition(lambda self: self.bench and self.bench.reports)
    @rule(which=choices, doubled=st.booleans())
    def hear(self, which, doubled):
        self.bench.hear(which % len(self.bench.reports), doubled)

    @precondition(lambda self: self.bench and self.at_venue())
    @rule(which=choices, rarely=st.integers(0, 3))
    def cancel(self, which, rarely):
        if not rarely:
            names = [*self.bench.orders.by_id]
            self.bench.carry_out(Cancel(self.pick(which, names), "USER"))

    @precondition(lambda self: self.bench)
    @rule(which=choices, size=st.integers(1, 14))
    def amend(self, which, size):
        names = [
            name for name, each in self.bench.orders.by_id.items() if each.order.role == "entry"
        ]
        self.bench.carry_out(Amend(self.pick(which, names), size=Decimal(size)))

    @precondition(lambda self: self.bench)
    @rule(later=st.integers(1, 2 * SECOND), volume=st.integers(0, 40))
    def pass_time(self, later, volume):
        self.bench.advance(self.bench.now + later)
        self.bench.bar(BTC, float(volume))

    @precondition(lambda self: self.bench)
    @rule()
    def restart(self):
        self.bench.restart()

    @precondition(lambda self: self.bench)
    @rule()
    def settle(self):
        self.bench.settle()
        orders = self.bench.orders
        for entry in [each for each in orders.rows() if each.order.role == "entry"]:
            for exits in orders.exits_of(entry.order.id):
                left = max(entry.filled - sum(each.filled for each in exits), 0)
                assert all(each.leaves <= left for each in exits if each.phase != "HELD")
            if entry.order.id in orders.slices:
                children = [
                    each
                    for each in orders.children_of(entry.order.id)
                    if each.order.role == "child"
                ]
                assert entry.filled == sum(each.filled for each in children)
                assert sum(each.leaves for each in children) <= max(entry.size - entry.filled, 0)

    @invariant()
    def what_the_desk_sends_is_bounded(self):
        if self.bench:
            assert len(self.bench.venue) < 400

    def teardown(self):
        """End all that lives: then nothing is at work any more, and all is forgotten."""
        if self.bench is None:
            return
        self.settle()
        for _ in range(20):
            for name in [*self.bench.orders.by_id]:
                self.bench.carry_out(Cancel(name, "USER"))
            self.settle()
        alive = [each for each in self.bench.orders.rows() if each.phase != "DONE"]
        assert not alive
        self.bench.orders.forget(self.bench.now + self.bench.orders.late_ns)
        orders = self.bench.orders
        assert not (
            orders.by_id or orders.children or orders.groups or orders.over or orders.slices
        )


TestFamilies = Families.TestCase
TestFamilies.settings = settings(max_examples=60, stateful_step_count=50, deadline=None)
