"""Brackets and groups: exits live by what their entry has filled, whatever comes in which order."""

from decimal import Decimal

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tapeflow.operators.desk.actions import Amend, Cancel, Place, Release
from tapeflow.operators.desk.legs import make_orders
from tapeflow.operators.desk.working_orders import WorkingOrders
from tapeflow.schemas.ids import derive_id
from tapeflow.schemas.orders import Terms
from tapeflow.schemas.sides import BUY, SELL
from tapeflow.schemas.signals import Intent, Leg, Signal
from tests.order_venue import Bench

SIGNAL = Signal("s", "trend", "BTC-USD.X", 50, BUY, 1.0, "b", 40, 100.0, "x-0", 3)
ENTRY = Terms("limit", limit=Decimal(99))
TARGET = Terms("limit", limit=Decimal(110), reduce_only=True)
STOP = Terms("stop", trigger=Decimal(95), reduce_only=True)


def an_intent(exit_rule="OUO", exits=(("10", TARGET), ("10", STOP)), others=(), entry_rule=""):
    return Intent(
        "main", SIGNAL, Decimal(10), ENTRY, others, entry_rule,
        tuple(Leg(SELL, Decimal(size), terms) for size, terms in exits), exit_rule,
    )  # fmt: skip


def orders_of(intent):
    return make_orders(intent, Decimal(100), lambda _: 250)


def bracket(**settings):
    """Return a bench with a bracket at work, and the ids of its orders."""
    bench, orders = Bench(), orders_of(an_intent(**settings))
    bench.start(orders)
    bench.settle()
    bench.actions.clear()
    return bench, *[order.id for order in orders]


def fill(bench, name, size):
    """Fill an order and let the desk hear of it; return what follows at the same place."""
    bench.actions.clear()
    bench.fill(name, Decimal(size))
    bench.hear()
    return list(bench.actions)


def amend(name, size, rule="OUO"):
    return Amend(name, Decimal(size), reason=rule)


# --- the orders of an intent --------------------------------------------------------------


def test_ids_of_entries_and_exits_are_derived_and_exits_name_their_entry():
    entry, target, stop = orders_of(an_intent())
    assert entry.id == derive_id("order", "main", "trend", "BTC-USD.X", "s", 0)
    assert (target.id, stop.id) == tuple(derive_id("order", entry.id, "exit", n) for n in (0, 1))
    assert (target.parent, stop.parent, entry.parent) == (entry.id, entry.id, "")
    assert [each.role for each in (entry, target, stop)] == ["entry", "exit", "exit"]
    assert (target.rule, target.group) == ("OUO", stop.group) and entry.group == ""
    assert (stop.terms, stop.side, stop.size) == (STOP, SELL, 10)
    assert (stop.time_ns, stop.active_ns, stop.position) == (50, 300, (50, "x-0", 3))


def test_exits_without_a_rule_are_groups_of_their_own():
    _, target, stop = orders_of(an_intent(exit_rule=""))
    assert target.group and stop.group and target.group != stop.group


def test_entries_of_one_side_each_have_all_exits_and_share_a_group():
    others = (Leg(BUY, Decimal(5), ENTRY),)
    first, _, _, second, *exits = orders_of(an_intent(others=others, entry_rule="OCO"))
    assert first.group == second.group != "" and second.rule == "OCO"
    assert second.id == derive_id("order", "main", "trend", "BTC-USD.X", "s", 1)
    assert [each.parent for each in exits] == [second.id] * 2


def test_entries_of_two_sides_each_have_the_exits_that_close_it():
    intent = Intent(
        "main", SIGNAL, Decimal(10), ENTRY, (Leg(SELL, Decimal(10), ENTRY),), "OCO",
        (Leg(SELL, Decimal(10), STOP), Leg(BUY, Decimal(10), STOP)),
    )  # fmt: skip
    buy, sell_exit, sell, buy_exit = orders_of(intent)
    assert [(each.side, each.parent) for each in (sell_exit, buy_exit)] == [
        (SELL, buy.id),
        (BUY, sell.id),
    ]
    assert buy_exit.id == derive_id("order", sell.id, "exit", 1)


# --- brackets -----------------------------------------------------------------------------


def test_exits_wait_until_their_entry_fills_and_are_sent_with_what_it_filled():
    bench, entry, target, stop = bracket()
    assert [bench.get(each).phase for each in (target, stop)] == ["HELD", "HELD"]
    assert fill(bench, entry, 4) == [Release(target, Decimal(4)), Release(stop, Decimal(4))]
    bench.settle()
    assert fill(bench, entry, 6) == [amend(target, 10), amend(stop, 10)]
    bench.settle()
    assert [bench.venue[each].leaves for each in (target, stop)] == [10, 10]


def test_what_one_exit_fills_is_taken_from_the_other_at_the_same_place():
    bench, entry, target, stop = bracket()
    fill(bench, entry, 10)
    bench.settle()
    assert fill(bench, target, 3) == [amend(stop, 7)]
    bench.settle()
    assert fill(bench, target, 7) == [Cancel(stop, "OUO")]
    bench.settle()
    assert (bench.get(stop).end, bench.get(target).end) == ("CANCELED", "FILLED")
    assert len(bench.venue) == 3


@pytest.mark.parametrize("first", ["fill", "trigger"])
def test_of_oco_exits_the_first_that_fills_or_is_triggered_cancels_the_others(first):
    bench, entry, target, stop = bracket(exit_rule="OCO")
    fill(bench, entry, 10)
    bench.settle()
    if first == "fill":
        assert fill(bench, target, 3) == [Cancel(stop, "OCO")]
    else:
        bench.reports.append(bench.report(stop, "TRIGGERED"))
        bench.hear()
        assert bench.actions[-2:] == [Cancel(target, "OCO")] or bench.actions[-1] == Cancel(
            target, "OCO"
        )
    bench.settle()
    assert len(bench.venue) == 3 and len(bench.open_orders()) == 1


def test_of_two_oco_exits_that_both_filled_the_first_stays_with_what_is_left():
    bench, entry, target, stop = bracket(exit_rule="OCO")
    fill(bench, entry, 10)
    bench.settle()
    bench.fill(target, Decimal(3))
    bench.fill(stop, Decimal(2))
    bench.settle()
    assert (bench.get(stop).end, bench.get(stop).filled) == ("CANCELED", 2)
    assert bench.venue[target].leaves == 5


def test_exits_without_a_rule_follow_the_entry_and_not_each_other():
    bench, entry, first, second = bracket(exit_rule="")
    fill(bench, entry, 4)
    bench.settle()
    assert fill(bench, first, 1) == []
    assert fill(bench, entry, 2) == [amend(first, 6, "OTO"), amend(second, 6, "OTO")]


def test_exits_of_a_part_stay_within_their_part():
    half = (("5", TARGET), ("5", TARGET), ("10", STOP))
    bench, entry, one, two, stop = bracket(exits=half)
    sizes = [Decimal(4)] * 3
    assert fill(bench, entry, 4) == [
        Release(each, size) for each, size in zip((one, two, stop), sizes, strict=True)
    ]
    bench.settle()
    fill(bench, entry, 6)
    bench.settle()
    assert [bench.venue[each].leaves for each in (one, two, stop)] == [5, 5, 10]
    assert fill(bench, one, 5) == [amend(stop, 5)]
    bench.settle()
    assert fill(bench, two, 2) == [amend(stop, 3)]


def test_a_cancel_of_the_rest_of_an_entry_leaves_the_exits_for_what_was_filled():
    bench, entry, target, stop = bracket()
    fill(bench, entry, 4)
    bench.carry_out(Cancel(entry, "USER"))
    bench.settle()
    assert bench.get(entry).end == "CANCELED"
    assert [bench.venue[each].leaves for each in (target, stop)] == [4, 4]


@pytest.mark.parametrize("kind", ["CANCELED", "EXPIRED", "REJECTED"])
def test_exits_of_an_entry_that_ends_without_a_fill_end_too_and_are_never_sent(kind):
    bench, entry, target, stop = bracket()
    bench.end(entry, kind)
    bench.settle()
    for each in (target, stop):
        assert (bench.get(each).end, bench.get(each).reason) == ("CANCELED", "PARENT_ENDED")
        assert each not in bench.venue


@pytest.mark.parametrize("kind", ["CANCELED", "EXPIRED", "REJECTED"])
def test_an_exit_that_ends_by_itself_leaves_the_other_alone_and_is_not_replaced(kind):
    bench, entry, target, stop = bracket()
    fill(bench, entry, 4)
    bench.settle()
    bench.end(target, kind)
    bench.settle()
    fill(bench, entry, 6)
    bench.settle()
    assert bench.venue[stop].leaves == 10 and len(bench.venue) == 3


def test_an_entry_that_fills_on_after_its_exits_gets_new_exits():
    bench, entry, target, stop = bracket()
    fill(bench, entry, 4)
    bench.settle()
    fill(bench, target, 4)
    bench.settle()
    actions = fill(bench, entry, 6)
    assert [(type(each), each.order.id, each.size) for each in actions] == [
        (Place, derive_id("order", each, "again"), 6) for each in (target, stop)
    ]
    again = actions[1].order
    assert (again.parent, again.group, again.role) == (entry, bench.get(stop).order.group, "exit")
    assert again.position == bench.get(entry).order.position or again.time_ns > 50
    bench.settle()
    assert fill(bench, again.id, 2) == [amend(derive_id("order", target, "again"), 4)]


def test_an_exit_that_fills_while_it_is_being_enlarged_is_replaced_once_that_is_refused():
    bench, entry, target, stop = bracket()
    fill(bench, entry, 4)
    bench.settle()
    fill(bench, entry, 6)  # the amendments are on their way
    assert fill(bench, target, 4) == [amend(stop, 6)]
    bench.settle()
    assert bench.get(target).end == "FILLED"
    again = derive_id("order", target, "again")
    assert [bench.venue[each].leaves for each in (again, stop)] == [6, 6]


def test_an_exit_that_the_venue_does_not_shrink_is_canceled_and_replaced():
    bench, entry, target, stop = bracket()
    fill(bench, entry, 10)
    bench.settle()
    fill(bench, target, 3)
    bench.take(refuse=True)
    bench.hear()
    assert bench.actions[-1] == Cancel(stop, "OUO")
    bench.settle()
    assert bench.venue[derive_id("order", stop, "again")].leaves == 7
    assert bench.get(stop).end == "CANCELED"


def test_an_exit_that_the_venue_does_not_enlarge_is_amended_again_with_the_next_fill():
    bench, entry, target, stop = bracket()
    fill(bench, entry, 4)
    bench.settle()
    fill(bench, entry, 2)
    bench.take(refuse=True)
    bench.settle()
    assert [bench.venue[each].leaves for each in (target, stop)] == [4, 6]
    assert fill(bench, entry, 4) == [amend(target, 10), amend(stop, 10)]


def test_exits_follow_an_entry_that_filled_more_than_its_size():
    bench, entry, target, stop = bracket()
    assert fill(bench, entry, 12) == [Release(target, Decimal(12)), Release(stop, Decimal(12))]
    assert bench.alerts == ["OVERFILL"]
    bench.settle()
    assert fill(bench, target, 13)[0] == Cancel(stop, "OUO")


def test_an_exit_with_nothing_to_reduce_is_not_sent_again_and_again():
    bench, entry, target, stop = bracket()
    fill(bench, entry, 4)
    bench.settle()
    for each in (target, stop):
        bench.end(each, "CANCELED", reason="NOTHING_TO_REDUCE")
    bench.settle()
    assert len(bench.venue) == 3
    fill(bench, entry, 6)
    bench.settle()
    assert len(bench.open_orders()) == 2 and len(bench.venue) == 5


def test_a_late_fill_of_an_exit_that_was_replaced_takes_from_the_new_ones():
    bench, entry, target, stop = bracket(exit_rule="OCO")
    for name, size in ((entry, 4), (target, 4), (entry, 6)):
        fill(bench, name, size)
        bench.settle()
    new = [derive_id("order", each, "again") for each in (target, stop)]
    assert fill(bench, target, 1) == [amend(each, 5, "OCO") for each in new]
    assert bench.alerts == ["OVERFILL"]


def test_an_exit_that_a_user_has_made_smaller_stays_so():
    bench, entry, target, stop = bracket()
    fill(bench, entry, 4)
    bench.settle()
    bench.carry_out(Amend(target, size=Decimal(3)))
    bench.settle()
    assert fill(bench, entry, 6) == [amend(stop, 10)]
    bench.settle()
    assert fill(bench, target, 3) == [amend(stop, 7)]


def test_an_exit_that_a_user_makes_larger_than_what_is_left_is_brought_back():
    bench, entry, target, _ = bracket()
    fill(bench, entry, 4)
    bench.settle()
    bench.actions.clear()
    bench.carry_out(Amend(target, size=Decimal(8)))
    bench.settle()
    assert bench.actions[1:] == [amend(target, 4)]
    assert bench.venue[target].leaves == 4


def test_exits_follow_an_entry_that_a_user_has_made_larger():
    bench, entry, target, stop = bracket()
    bench.carry_out(Amend(entry, size=Decimal(12)))
    bench.settle()
    assert fill(bench, entry, 12) == [Release(each, Decimal(12)) for each in (target, stop)]


# --- entries ------------------------------------------------------------------------------


def two_entries(rule):
    others = (Leg(SELL, Decimal(10), STOP),)
    exits = (("10", STOP),)
    bench, *names = bracket(exits=exits, others=others, entry_rule=rule)
    return bench, names[0], names[2]


def test_of_oco_entries_the_first_that_fills_cancels_the_others():
    bench, first, second = two_entries("OCO")
    actions = fill(bench, first, 1)
    assert Cancel(second, "OCO") in actions
    bench.settle()
    assert bench.get(second).end == "CANCELED" and bench.venue[first].leaves == 9


def test_of_ouo_entries_a_fill_takes_from_the_others():
    bench, first, second = two_entries("OUO")
    assert amend(second, 7) in fill(bench, first, 3)
    bench.settle()
    assert amend(first, 8) in fill(bench, second, 2)
    bench.settle()
    assert [bench.venue[each].leaves for each in (first, second)] == [5, 5]
    assert Cancel(second, "OUO") in fill(bench, first, 5)


def test_of_ouo_entries_a_fill_takes_from_what_a_user_has_made_of_them():
    bench, first, second = two_entries("OUO")
    bench.carry_out(Amend(second, size=Decimal(14)))
    bench.settle()
    assert amend(second, 11) in fill(bench, first, 3)
    bench.settle()
    assert amend(second, 9) in fill(bench, first, 2)


def test_an_oco_entry_that_a_user_has_made_larger_fills_on():
    bench, first, second = two_entries("OCO")
    bench.carry_out(Amend(first, size=Decimal(14)))
    bench.settle()
    assert fill(bench, first, 10)[0] == Cancel(second, "OCO")
    bench.settle()
    assert bench.venue[first].leaves == 4


# --- state and memory ---------------------------------------------------------------------


def test_a_bracket_is_forgotten_as_one_when_all_of_it_is_over_for_the_window():
    bench, entry, target, stop = bracket()
    bench.orders.late_ns = 1000
    fill(bench, entry, 10)
    bench.settle()
    assert bench.orders.forget(10**9) == []
    fill(bench, target, 10)
    bench.settle()
    newest = max(bench.get(each).done_ns for each in (entry, target, stop))
    assert bench.orders.forget(newest + 999) == []
    assert sorted(bench.orders.forget(newest + 1000)) == sorted([entry, target, stop])
    orders = bench.orders
    assert not (orders.by_id or orders.children or orders.groups or orders.over)


def test_an_order_that_was_lost_and_found_is_not_forgotten():
    bench = Bench(WorkingOrders(late_ns=10))
    (order,) = orders_of(an_intent(exits=()))
    bench.start([order])
    bench.reports += [bench.report(order.id, "LOST"), bench.report(order.id, "ACCEPTED")]
    bench.settle()
    assert bench.orders.forget(10**9) == []
    bench.end(order.id, "CANCELED")
    bench.settle()
    assert bench.orders.forget(10**9) == [order.id]


def test_a_restored_book_of_orders_goes_on_as_before():
    bench, entry, target, stop = bracket()
    fill(bench, entry, 4)
    bench.restart()
    bench.settle()
    assert fill(bench, entry, 6) == [amend(target, 10), amend(stop, 10)]
    bench.restart()
    bench.settle()
    fill(bench, stop, 10)
    bench.settle()
    bench.restart()
    assert sorted(bench.orders.forget(10**12)) == sorted([entry, target, stop])


# --- the law ------------------------------------------------------------------------------

amounts = st.integers(1, 12).map(Decimal)
choices = st.integers(0, 1000)


class Brackets(RuleBasedStateMachine):
    """A bracket whose venue fills, refuses and ends what it likes, heard in any order."""

    in_order = False

    def __init__(self):
        super().__init__()
        self.bench = None
        self.undone = set()  # exits that ended by themselves: these are not replaced

    @precondition(lambda self: self.bench is None)
    @rule(
        exit_rule=st.sampled_from(["OUO", "OCO", ""]),
        parts=st.sampled_from([("10", "10"), ("5", "5", "10"), ("3", "12"), ("10",)]),
    )
    def start(self, exit_rule, parts):
        terms = [TARGET] * (len(parts) - 1) + [STOP]
        self.bench = Bench()
        orders = orders_of(an_intent(exit_rule, tuple(zip(parts, terms, strict=True))))
        self.entry = orders[0].id
        self.bench.start(orders)

    @precondition(lambda self: self.bench and self.bench.commands)
    @rule(refuse=st.booleans())
    def take(self, refuse):
        first = self.bench.commands[0]
        name, refuse = first.order_id, refuse and first.action != "CANCEL"
        if refuse and (first.action == "PLACE" or first.size > self.bench.venue[name].size):
            self.undone.add(name)
        self.bench.take(refuse)

    @precondition(lambda self: self.bench and self.bench.open_orders())
    @rule(which=choices, size=amounts, over=st.integers(0, 9))
    def fill(self, which, size, over):
        names = self.bench.open_orders()
        name = names[which % len(names)]
        leaves = self.bench.venue[name].leaves
        self.bench.fill(name, size if over == 0 else min(size, leaves))

    @precondition(lambda self: self.bench and self.bench.open_orders())
    @rule(which=choices, kind=st.sampled_from(["CANCELED", "EXPIRED"]))
    def end(self, which, kind):
        names = self.bench.open_orders()
        name = names[which % len(names)]
        self.undone.add(name)
        self.bench.end(name, kind)

    @precondition(lambda self: self.bench and self.bench.open_orders())
    @rule(which=choices)
    def trigger(self, which):
        names = self.bench.open_orders()
        self.bench.reports.append(self.bench.report(names[which % len(names)], "TRIGGERED"))

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
        self.check_exits()

    @precondition(lambda self: self.bench)
    @rule()
    def restart(self):
        self.bench.restart()

    @invariant()
    def fills_are_counted_once(self):
        if self.bench:
            for name, order in self.bench.venue.items():
                assert self.bench.get(name).filled <= order.filled

    def check_exits(self):
        bench, entry = self.bench, self.bench.get(self.entry)
        for exits in bench.orders.exits_of(self.entry):
            left = max(entry.filled - sum(each.filled for each in exits), Decimal(0))
            living = [each for each in exits if each.phase not in ("DONE", "HELD")]
            assert all(each.leaves <= left for each in living)
            if not self.in_order:
                continue
            assert all(bench.venue[each.order.id].leaves == each.leaves for each in living)
            whole = [each.order.size >= entry.order.size for each in exits]
            covers = all(whole) if exits[0].order.rule == "OCO" else any(whole)
            if left and covers and not self.undone & {each.order.id for each in exits}:
                covered = [each for each in living if each.leaves == left]
                assert covered, "a position without an exit"

    def teardown(self):
        if self.bench:
            self.settle()


class BracketsInOrder(Brackets):
    """The same with reports in the order in which they were made: no position is without exits."""

    in_order = True


TestBracketsInAnyOrder = Brackets.TestCase
TestBracketsInAnyOrder.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestBracketsInOrder = BracketsInOrder.TestCase
TestBracketsInOrder.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
