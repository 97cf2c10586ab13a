"""What the test of any story has found, each as a story of its own."""

from decimal import Decimal as D

from msgspec.structs import replace

from tapeflow.operators.desk.risk.open_sizes import OpenSizes
from tapeflow.operators.desk.working import begin
from tapeflow.operators.desk.working_orders import WorkingOrders
from tapeflow.schemas.accounts import Position
from tapeflow.schemas.orders import Fill, Order
from tapeflow.schemas.sides import BUY, SELL
from tapeflow.schemas.signals import Leg
from tapeflow.schemas.states import StateChange
from tests.desk_stories import BTC, A, buy, decisions, limit, only, quote, sell, trade
from tests.frames import S
from tests.laws import plain
from tests.risk_draws import CONTROL, Beat, Job
from tests.risk_laws import check_story
from tests.risk_runs import run_story
from tests.risk_stories import BEGIN_S, tell_story
from tests.test_life import an_order
from tests.test_risk_exposure import FLAT, PERP, risk
from tests.test_risk_exposure import run_story as run_requests

PAPER = {"model": "trade", "slip": 0, "entry": 0, "cancel": 0, "answer": 0}


def facts_of(beats, **paper):
    """Return the facts of a story that holds by all laws, and is the same record by record."""
    story = tell_story(Job({}, False, "refuse", PAPER | paper), beats)
    facts, state = run_story(story)
    check_story(story, facts, state)
    assert plain(run_story(story, range(200), [0, 1, 2] * 99, [True])[0]) == plain(facts)
    return facts


def order(side=BUY, size=1, strategy="a", *, code=PERP, price=100, gap_s=1, **fields):
    """Return a record with a trade, at which an order is decided."""
    request = {
        "do": "order",
        "strategy": strategy,
        "i": code,
        "side": side,
        "size": D(size),
        **fields,
    }
    return Beat(A, gap_s, ("trade", code, price, 5), request)


def command(do, scope="portfolio", gap_s=1, who="alice"):
    return Beat(CONTROL, gap_s, command={"do": do, "scope": scope, "who": who, "how": "signed"})


def row(price=100, *, code=PERP, gap_s=1):
    return Beat(A, gap_s, ("trade", code, price, 5))


def test_entries_of_one_intent_count_together_in_the_limit_of_open_orders():
    two = {"others": (Leg(BUY, D(1), limit(50)),), "entry_rule": "OCO"}
    entries = [buy("a", at=0, terms=limit(50), **two), buy("b", at=2, terms=limit(50))]
    facts = run_requests(risk(open_orders_max=1), FLAT, entries)
    assert decisions(facts) == ["a OPEN_ORDERS", "b APPROVED"]


def test_an_intent_that_is_refused_uses_up_no_rate_and_repeats_nothing():
    two = {"others": (Leg(BUY, D(9), limit(50)),)}
    entries = [buy("a", at=0, **two), buy("a", at=1)]
    facts = run_requests(risk(size_max=D(5), orders_max=1, repeat_ns=10**11), FLAT, entries)
    assert decisions(facts) == ["a SIZE_MAX", "a APPROVED"]


def test_a_short_counts_at_the_price_at_which_it_could_be_bought_back():
    rows = [
        trade(1, 100, i=PERP), trade(2, 100), trade(3, 100, 9, i=PERP), quote(4, 99, 101, i=PERP),
        *FLAT[4:],
    ]  # fmt: skip
    entries = [sell("a", at=1, i=PERP, size=3), buy("b", at=4)]
    assert decisions(run_requests(risk(gross_max=D(402)), rows, entries)) == [
        "a APPROVED", "b GROSS_LIMIT",
    ]  # fmt: skip
    assert decisions(run_requests(risk(gross_max=D(403)), rows, entries))[1] == "b APPROVED"


def test_a_halt_does_not_end_what_is_being_closed():
    beats = [
        order(size=2),
        row(),
        order(terms=limit(98)),
        command("flatten"),
        command("halt", gap_s=0, who="bob"),
    ]
    facts = facts_of(beats, cancel=0.5)
    assert [each.event for each in only(StateChange, facts)] == ["CLOSING", "CHANGED", "FLAT"]
    assert only(Position, facts)[-1].quantity == 0


def test_an_exit_and_a_sale_of_its_own_leave_no_spot_short():
    exits = {"do": "bracket", "exits": (Leg(SELL, D(2), limit(101)),)}
    beats = [
        order(size=2, code=BTC, **exits), row(code=BTC), order(SELL, 2, code=BTC, terms=limit(102)),
        row(code=BTC), row(105, code=BTC),
    ]  # fmt: skip
    facts = facts_of(beats)
    assert sum(each.side * each.size for each in only(Fill, facts)) == 0
    assert min(each.quantity for each in only(Position, facts)) == 0


def test_what_is_closed_at_a_time_sees_the_prices_up_to_it():
    later = [row(price, gap_s=0.25) for price in range(101, 113)]
    beats = [order(size=2), row(), order(terms=limit(98)), command("flatten"), *later]
    facts = facts_of(beats, cancel=0.5, answer=1.5)
    (closing,) = [each for each in only(Order, facts) if each.signal_id == "states/1"]
    assert not closing.partition, "it is decided at a time, before the records of it"
    first_ns = round((BEGIN_S + 4.25) * S)
    assert closing.time_ns > first_ns
    assert closing.ref_price == 101 + (closing.time_ns - 1 - first_ns) // (S // 4)


def test_what_a_scope_has_at_work_is_in_one_order_after_a_restart_too():
    some = [begin(replace(an_order(), id=name, strategy=name)) for name in "bca"]
    found = []
    for each in (some, some[::-1]):
        orders = WorkingOrders.from_rows(each)
        found.append([working.order.id for working in orders.all_living()])
    assert found == [["a", "b", "c"]] * 2


def test_open_sizes_are_written_alike_after_a_restart():
    sizes, one = OpenSizes(), an_order()
    for size in ("3", "2.0", "-2.0"):
        sizes.add(one, D(size))
    assert str(sizes.of_account["main"]) == str(
        OpenSizes.from_orders([(one, D(3))]).of_account["main"]
    )
