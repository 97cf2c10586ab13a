"""Orders in slices: what children fill and may fill never passes the order, whatever happens."""

from decimal import Decimal

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tapeflow.operators.desk import slices
from tapeflow.operators.desk.actions import Amend, Cancel, Release
from tapeflow.operators.desk.legs import make_orders
from tapeflow.operators.desk.slice_plan import PARTICIPATION_MAX, SPARE, slice_ns
from tapeflow.operators.desk.working import begin
from tapeflow.schemas.ids import derive_id
from tapeflow.schemas.orders import Terms
from tapeflow.schemas.sides import BUY, SELL
from tapeflow.schemas.signals import Intent, Leg, Signal, Slicing
from tests.order_venue import Bench

SECOND = 10**9
BTC = "BTC-USD.X"
SIGNAL = Signal("s", "trend", BTC, 100, BUY, 1.0, "b", 40, 100.0, "x-0", 3)
TWAP = Slicing("twap", count=4, every_ns=SECOND)
ICEBERG = Slicing("iceberg", display=Decimal(3))
PARTICIPATION = Slicing("participation", share=Decimal("0.1"))
LIMIT = Terms("limit", limit=Decimal(99))


def slice_order(slicing, size="10", terms=LIMIT, lot="1", exits=(), others=(), entry_rule=""):
    """Return a bench with an order in slices, and the order."""
    legs = tuple(Leg(SELL, Decimal(size), LIMIT) for _ in exits)
    intent = Intent("main", SIGNAL, Decimal(size), terms, others, entry_rule, legs, slicing=slicing)
    orders = make_orders(intent, Decimal(100), lambda _: 0)
    bench = Bench()
    for order in orders:
        bench.orders.add(begin(order))
    for order in orders[1:]:
        if order.role == "entry":
            bench.carry_out(Release(order.id, order.size))
    parent = bench.get(orders[0].id)
    follows = slices.start(bench.orders, parent, slicing, Decimal(lot), bench.position)
    bench.carry_out_all(follows)
    return bench, parent


def children(bench, parent):
    return [
        each for each in bench.orders.children_of(parent.order.id) if each.order.role == "child"
    ]


def sizes(bench, parent):
    return [int(each.order.size) for each in children(bench, parent)]


def fill_all(bench):
    """Fill what is open at the venue, and what follows at once, until nothing is open."""
    bench.settle()
    for name in bench.open_orders():
        bench.fill(name, bench.venue[name].leaves)
        bench.settle()


def end_all(bench, kind="CANCELED", reason=""):
    bench.settle()
    for name in bench.open_orders():
        bench.end(name, kind, reason)
    bench.settle()


# --- twap ---------------------------------------------------------------------------------


def test_a_twap_sends_its_slices_at_even_times_and_counts_their_fills():
    bench, parent = slice_order(TWAP)
    for second, expected in enumerate([[2], [2, 3], [2, 3, 2], [2, 3, 2, 3]]):
        bench.advance(100 + second * SECOND - (second > 0))
        assert sizes(bench, parent) == expected[:-1] if second else True
        bench.advance(100 + second * SECOND)
        assert sizes(bench, parent) == expected
        fill_all(bench)
        assert parent.filled == sum(expected)
    assert (parent.phase, parent.end, parent.notional) == ("DONE", "FILLED", 1000)
    assert parent.order.id not in bench.venue


def test_a_child_has_the_terms_of_its_order_and_a_derived_id():
    bench, parent = slice_order(TWAP)
    (child,) = children(bench, parent)
    assert child.order.id == derive_id("order", parent.order.id, "child", 0)
    assert (child.order.role, child.order.parent) == ("child", parent.order.id)
    assert (child.order.terms, child.order.side, child.order.group) == (LIMIT, BUY, "")
    assert (child.order.time_ns, child.order.partition) == (100, "x-0")


def test_a_twap_of_less_lots_than_slices_skips_slices():
    bench, parent = slice_order(TWAP, size="2")
    bench.advance(10 * SECOND)
    assert sizes(bench, parent) == [1, 1]
    fill_all(bench)
    assert parent.end == "FILLED"


def test_the_last_slice_takes_the_rest_that_is_no_multiple_of_the_lot():
    bench, parent = slice_order(TWAP, size="10.5")
    bench.advance(10 * SECOND)
    assert [each.order.size for each in children(bench, parent)] == [2, 3, 2, Decimal("3.5")]


def test_what_a_child_did_not_fill_is_in_the_next_slice():
    bench, parent = slice_order(TWAP)
    end_all(bench, "EXPIRED", "NO_MARKET")
    bench.advance(100 + SECOND)
    assert sizes(bench, parent) == [2, 5]
    bench.settle()
    bench.fill(children(bench, parent)[1].order.id, Decimal(1))
    end_all(bench)
    bench.advance(100 + 3 * SECOND)
    assert sizes(bench, parent) == [2, 5, 6, 3]


def test_a_twap_whose_slices_are_over_ends_with_what_it_filled():
    bench, parent = slice_order(TWAP)
    fill_all(bench)
    bench.advance(100 + 3 * SECOND)
    assert parent.phase == "OPEN"
    end_all(bench)
    assert (parent.end, parent.reason, parent.filled) == ("EXPIRED", "SLICES_OVER", 2)
    assert len(bench.venue) == 4


def test_slices_are_later_by_a_jitter_that_is_drawn_from_their_ids():
    jitter = Slicing("twap", count=50, every_ns=SECOND, jitter_ns=SECOND // 2)
    bench, parent = slice_order(jitter, size="50")
    state = bench.orders.slices[parent.order.id]
    late = [slice_ns(state, parent.order, step) - 100 - step * SECOND for step in range(50)]
    assert all(0 <= each < SECOND // 2 for each in late) and len(set(late)) == 50
    assert max(late) > SECOND * 0.45 and min(late) < SECOND * 0.05
    assert sizes(bench, parent) == ([1] if late[0] == 0 else [])
    bench.advance(100 + 60 * SECOND)
    assert [each.order.time_ns for each in children(bench, parent)] == [
        100 + step * SECOND + each for step, each in enumerate(late)
    ]


# --- iceberg ------------------------------------------------------------------------------


def test_an_iceberg_shows_one_child_at_a_time():
    bench, parent = slice_order(ICEBERG)
    for expected in ([3], [3, 3], [3, 3, 3], [3, 3, 3, 1]):
        assert sizes(bench, parent) == expected
        bench.settle()
        (name,) = bench.open_orders()
        bench.fill(name, bench.venue[name].leaves)
        bench.settle()
    assert (parent.end, parent.filled) == ("FILLED", 10)


def test_a_part_of_a_child_is_no_reason_for_the_next_one():
    bench, parent = slice_order(ICEBERG)
    bench.settle()
    bench.fill(bench.open_orders()[0], Decimal(2))
    bench.settle()
    assert (sizes(bench, parent), parent.filled, parent.phase) == ([3], 2, "OPEN")


@pytest.mark.parametrize("kind", ["CANCELED", "REJECTED", "EXPIRED"])
def test_children_that_end_unfilled_are_tried_again_up_to_a_bound(kind):
    bench, parent = slice_order(ICEBERG)
    for _ in range(100):
        end_all(bench, kind)
    assert len(bench.venue) == 4 + SPARE
    assert (parent.end, parent.reason) == ("EXPIRED", "SLICES_OVER")


# --- participation ------------------------------------------------------------------------


def test_an_order_that_follows_the_volume_sends_its_share_of_each_bar():
    bench, parent = slice_order(PARTICIPATION)
    assert children(bench, parent) == []
    bench.bar(BTC, 25.0)
    bench.bar("ETH-USD.X", 500.0)
    assert sizes(bench, parent) == [2]
    bench.bar(BTC, 4.0)  # 2.9 in sum
    assert sizes(bench, parent) == [2]
    bench.bar(BTC, 31.0)
    assert sizes(bench, parent) == [2, 4]
    bench.bar(BTC, 1e6)
    assert sizes(bench, parent) == [2, 4, 4]
    fill_all(bench)
    assert parent.end == "FILLED"


def test_the_volume_before_the_order_does_not_count():
    bench, parent = slice_order(PARTICIPATION)
    bench.bar(BTC, 100.0, open_ns=99)
    assert children(bench, parent) == []
    bench.bar(BTC, 100.0, open_ns=100)
    assert sizes(bench, parent) == [10]


def test_what_did_not_fill_waits_for_the_next_bar():
    bench, parent = slice_order(PARTICIPATION)
    bench.bar(BTC, 30.0)
    end_all(bench)
    assert sizes(bench, parent) == [3]
    bench.bar(BTC, 10.0)
    assert sizes(bench, parent) == [3, 4]
    for _ in range(PARTICIPATION_MAX + 5):
        end_all(bench)
        bench.bar(BTC, 1.0)
    assert len(bench.venue) == PARTICIPATION_MAX
    assert (parent.end, parent.reason) == ("EXPIRED", "SLICES_OVER")


# --- cancels, ends, amendments ------------------------------------------------------------


@pytest.mark.parametrize("part", [0, 1])
def test_a_cancel_of_the_order_cancels_its_children_and_then_it(part):
    bench, parent = slice_order(TWAP)
    bench.advance(100 + SECOND)
    bench.settle()
    if part:
        bench.fill(bench.open_orders()[0], Decimal(1))
        bench.settle()
    bench.carry_out(Cancel(parent.order.id, "USER"))
    assert parent.phase == ("OPEN" if part else "HELD")
    assert len([each for each in bench.commands if each.action == "CANCEL"]) == 2
    bench.settle()
    assert (parent.end, parent.reason, parent.filled) == ("CANCELED", "USER", part)
    bench.advance(100 + 10 * SECOND)
    assert len(bench.venue) == 2


def test_a_cancel_before_the_first_slice_ends_the_order_at_once():
    bench, parent = slice_order(PARTICIPATION)
    bench.carry_out(Cancel(parent.order.id, "USER"))
    assert (parent.end, bench.commands) == ("CANCELED", [])


def test_a_fill_that_comes_while_children_are_being_canceled_counts():
    bench, parent = slice_order(TWAP)
    bench.settle()
    bench.carry_out(Cancel(parent.order.id, "USER"))
    bench.fill(bench.open_orders()[0], Decimal(2))
    bench.settle()
    assert (parent.end, parent.filled) == ("CANCELED", 2)
    assert bench.alerts == []


def test_children_are_canceled_once():
    bench, parent = slice_order(TWAP)
    bench.settle()
    bench.carry_out(Cancel(parent.order.id, "USER"))
    bench.fill(bench.open_orders()[0], Decimal(1))
    bench.hear()
    bench.carry_out(Cancel(parent.order.id, "USER"))
    bench.settle()
    canceled = [each.order_id for each in bench.actions if isinstance(each, Cancel)]
    assert canceled.count(children(bench, parent)[0].order.id) == 1


@pytest.mark.parametrize("tif", ["GTD", "DAY"])
def test_an_order_with_an_end_sends_no_slice_after_it_and_its_children_end_with_it(tif):
    day_ns = 86_400 * SECOND
    end = 100 + SECOND + 5 if tif == "GTD" else day_ns
    terms = Terms("limit", limit=Decimal(99), tif=tif, expire_ns=end if tif == "GTD" else None)
    every = Slicing("twap", count=4, every_ns=SECOND if tif == "GTD" else day_ns // 2 - 100)
    bench, parent = slice_order(every, terms=terms)
    bench.advance(end - 1)
    bench.settle()
    first, second = children(bench, parent)[:2]
    assert [(each.order.tif, each.order.expire_ns) for each in (first, second)] == [
        ("GTD", end)
    ] * 2
    bench.advance(end)
    assert parent.phase == "HELD"
    end_all(bench, "EXPIRED", "GTD")
    bench.advance(4 * day_ns)
    assert (parent.end, parent.reason, len(children(bench, parent))) == (
        "EXPIRED",
        tif,
        len(bench.venue),
    )


def test_an_amendment_changes_what_follows_and_the_prices_at_the_venue():
    bench, parent = slice_order(TWAP)
    fill_all(bench)
    bench.advance(100 + SECOND)
    bench.settle()
    bench.actions.clear()
    bench.carry_out(Amend(parent.order.id, size=Decimal(6), limit=Decimal(98)))
    name = children(bench, parent)[1].order.id
    assert [each for each in bench.actions if isinstance(each, Amend)][1:] == [
        Amend(name, limit=Decimal(98))
    ]
    assert (parent.size, parent.terms.limit, parent.phase) == (6, 98, "OPEN")
    fill_all(bench)
    bench.advance(100 + 9 * SECOND)
    fill_all(bench)
    assert (parent.end, parent.filled, sizes(bench, parent)) == ("FILLED", 6, [2, 3, 1])


@pytest.mark.parametrize("filled", [0, 2])
def test_an_order_is_not_made_smaller_than_what_its_children_may_fill(filled):
    bench, parent = slice_order(ICEBERG)
    bench.settle()
    if filled:
        bench.fill(bench.open_orders()[0], Decimal(filled))
        bench.settle()
    bench.carry_out(Amend(parent.order.id, size=Decimal(1)))
    assert (parent.size, bench.commands) == (3, [])
    fill_all(bench)
    assert (parent.end, parent.filled, bench.alerts) == ("FILLED", 3, [])


def test_a_late_fill_is_taken_back_by_a_cancel_where_the_venue_does_not_amend():
    bench, parent = slice_order(Slicing("iceberg", display=Decimal(7)))
    bench.settle()
    (first,) = bench.open_orders()
    bench.end(first, "CANCELED")
    bench.settle()
    bench.reports.append(bench.report(first, "FILL", execution_id="late", size="6", price="99"))
    bench.hear()
    assert (bench.commands[-1].action, bench.commands[-1].size) == ("AMEND", 4)
    bench.take(refuse=True)
    bench.settle()
    assert [int(bench.venue[each].leaves) for each in bench.open_orders()] == [4]
    assert (len(bench.venue), parent.filled) == (3, 6)


def test_a_fill_after_the_end_of_its_child_is_taken_back_from_those_that_live():
    bench, parent = slice_order(ICEBERG)
    bench.settle()
    (first,) = bench.open_orders()
    bench.end(first, "CANCELED")
    bench.settle()
    bench.reports.append(bench.report(first, "FILL", execution_id="late", size="3", price="99"))
    bench.settle()
    assert parent.filled == 3
    while bench.open_orders():
        fill_all(bench)
    assert (parent.filled, parent.end, bench.alerts) == (10, "FILLED", [])


def test_an_order_that_is_full_cancels_children_that_still_live():
    bench, parent = slice_order(TWAP)
    bench.advance(100 + SECOND)
    bench.settle()
    first, second = bench.open_orders()
    bench.fill(first, Decimal(10))
    bench.settle()
    assert (parent.end, bench.get(second).end) == ("FILLED", "CANCELED")


# --- with links ---------------------------------------------------------------------------


def test_exits_of_an_order_in_slices_follow_what_its_children_fill():
    bench, parent = slice_order(TWAP, exits=(1, 2))
    (exits,) = bench.orders.exits_of(parent.order.id)
    assert [each.phase for each in exits] == ["HELD", "HELD"]
    bench.settle()
    bench.fill(bench.open_orders()[0], Decimal(2))
    bench.settle()
    assert [bench.venue[each.order.id].leaves for each in exits] == [2, 2]
    bench.advance(100 + SECOND)
    bench.settle()
    bench.fill(children(bench, parent)[1].order.id, Decimal(3))
    bench.settle()
    assert [bench.venue[each.order.id].leaves for each in exits] == [5, 5]


def test_an_order_in_slices_that_loses_to_another_entry_stops():
    others = (Leg(BUY, Decimal(10), LIMIT),)
    bench, parent = slice_order(TWAP, others=others, entry_rule="OCO")
    bench.settle()
    (other,) = [each for each in bench.orders.members(parent.order.group) if each is not parent]
    bench.fill(other.order.id, Decimal(1))
    bench.settle()
    bench.advance(100 + 10 * SECOND)
    assert (parent.end, parent.reason, parent.filled) == ("CANCELED", "OCO", 0)
    assert bench.open_orders() == [other.order.id]


def test_an_order_in_slices_that_is_held_shrinks_with_the_fills_of_another_entry():
    others = (Leg(BUY, Decimal(10), LIMIT),)
    bench, parent = slice_order(PARTICIPATION, others=others, entry_rule="OUO")
    bench.settle()
    bench.fill(bench.open_orders()[0], Decimal(3))
    bench.settle()
    assert (parent.phase, parent.size, len(bench.venue)) == ("HELD", 7, 1)
    bench.fill(bench.open_orders()[0], Decimal(7))
    bench.settle()
    assert (parent.end, parent.reason) == ("CANCELED", "OUO")


# --- state and memory ---------------------------------------------------------------------


@pytest.mark.parametrize("slicing", [TWAP, ICEBERG, PARTICIPATION], ids=lambda each: each.kind)
def test_an_order_in_slices_goes_on_after_a_restart(slicing):
    answers = []
    for restarts in (False, True):
        bench, parent = slice_order(slicing)
        for second in range(6):
            bench.advance(100 + second * SECOND)
            bench.bar(BTC, 23.0)
            if restarts:
                bench.restart()
            fill_all(bench)
        parent = bench.get(parent.order.id)
        answers.append(([each.order for each in children(bench, parent)], parent))
    assert answers[0] == answers[1]
    assert parent.end == "FILLED"


def test_an_order_in_slices_is_forgotten_with_its_children():
    bench, _ = slice_order(ICEBERG)
    for _ in range(4):
        fill_all(bench)
    assert len(bench.orders.forget(10**12)) == 5
    assert not bench.orders.slices and not bench.orders.children


# --- the law ------------------------------------------------------------------------------

choices = st.integers(0, 1000)
SLICINGS = [
    TWAP, ICEBERG, PARTICIPATION, Slicing("twap", count=7, every_ns=SECOND, jitter_ns=3 * SECOND),
    Slicing("iceberg", display=Decimal(1)), Slicing("participation", share=Decimal("0.333")),
]  # fmt: skip


class Slices(RuleBasedStateMachine):
    """An order in slices whose venue does what it likes, and reports in order."""

    in_order = True

    def __init__(self):
        super().__init__()
        self.bench = None

    @precondition(lambda self: self.bench is None)
    @rule(slicing=st.sampled_from(SLICINGS), size=st.sampled_from(["1", "7", "10", "12.5"]))
    def start(self, slicing, size):
        self.bench, parent = slice_order(slicing, size)
        self.name = parent.order.id

    @precondition(lambda self: self.bench and self.bench.commands)
    @rule(refuse=st.booleans())
    def take(self, refuse):
        self.bench.take(refuse and self.bench.commands[0].action != "CANCEL")

    @precondition(lambda self: self.bench and self.bench.open_orders())
    @rule(which=choices, size=st.integers(1, 5))
    def fill(self, which, size):
        names = self.bench.open_orders()
        name = names[which % len(names)]
        self.bench.fill(name, min(Decimal(size), self.bench.venue[name].leaves))

    @precondition(lambda self: self.bench and self.bench.open_orders())
    @rule(which=choices, kind=st.sampled_from(["CANCELED", "EXPIRED"]))
    def end(self, which, kind):
        names = self.bench.open_orders()
        self.bench.end(names[which % len(names)], kind)

    @precondition(lambda self: self.bench and self.bench.reports)
    @rule(which=choices, doubled=st.booleans())
    def hear(self, which, doubled):
        if self.in_order:
            self.bench.hear()
        else:
            self.bench.hear(which % len(self.bench.reports), doubled)

    @precondition(lambda self: self.bench)
    @rule()
    def settle(self):
        self.bench.settle()
        parent = self.bench.get(self.name)
        leaves = sum(each.leaves for each in children(self.bench, parent))
        assert leaves <= max(parent.size - parent.filled, 0)

    @precondition(lambda self: self.bench)
    @rule(later=st.integers(1, 3 * SECOND))
    def advance(self, later):
        self.bench.advance(self.bench.now + later)

    @precondition(lambda self: self.bench)
    @rule(volume=st.integers(0, 50))
    def bar(self, volume):
        self.bench.bar(BTC, float(volume))

    @precondition(lambda self: self.bench)
    @rule(size=st.integers(1, 15))
    def grow(self, size):
        parent = self.bench.get(self.name)
        self.bench.carry_out(Amend(self.name, size=max(Decimal(size), parent.size)))

    @precondition(lambda self: self.bench)
    @rule(sure=st.integers(0, 9))
    def cancel(self, sure):
        if not sure:
            self.bench.carry_out(Cancel(self.name, "USER"))

    @precondition(lambda self: self.bench)
    @rule()
    def restart(self):
        self.bench.restart()

    @invariant()
    def children_never_pass_the_order(self):
        if self.bench is None:
            return
        parent = self.bench.get(self.name)
        all_children = children(self.bench, parent)
        assert parent.filled == sum(each.filled for each in all_children)
        if not self.in_order:
            return
        outstanding = sum(
            max(each.leaves, each.target - each.filled) if each.phase != "DONE" else 0
            for each in all_children
        )
        assert parent.filled == sum(each.filled for each in all_children)
        assert parent.filled + outstanding <= parent.size
        at_venue = [self.bench.venue.get(each.order.id) for each in all_children]
        assert sum(each.filled + each.leaves for each in at_venue if each) <= parent.size
        assert self.name not in self.bench.venue
        assert self.bench.alerts == []

    def teardown(self):
        """Let everything come to its end: what is filled is the order, or it says why not."""
        if self.bench is None:
            return
        for _ in range(60):
            fill_all(self.bench)
            self.bench.advance(self.bench.now + SECOND)
            self.bench.bar(BTC, 20.0)
        parent = self.bench.get(self.name)
        assert parent.phase == "DONE" and not self.bench.open_orders()
        assert parent.end != "FILLED" or parent.filled == parent.size
        self.bench.restart()
        assert self.bench.orders.forget(10**15)
        assert not self.bench.orders.by_id


class SlicesInAnyOrder(Slices):
    """The same with reports in any order, doubled: what was sent too much is taken back."""

    in_order = False


TestSlices = Slices.TestCase
TestSlices.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestSlicesInAnyOrder = SlicesInAnyOrder.TestCase
TestSlicesInAnyOrder.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
