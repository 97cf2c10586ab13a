"""The loop of the desk: what is due in which order, the life of orders, and what accounts share."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tapeflow.operators.desk.step import Desk
from tapeflow.operators.desk.venue.rules import Latency, draw_of
from tapeflow.schemas.accounts import Decision, Limits
from tapeflow.schemas.order_events import Command
from tapeflow.schemas.orders import Fill, Order, Terms
from tapeflow.schemas.sides import BUY, SELL
from tapeflow.schemas.signals import Leg, Slicing
from tests import frames
from tests.columns import bar
from tests.desk_stories import (
    BTC,
    ETH,
    A,
    B,
    ask,
    batches_of,
    buy,
    commands,
    decisions,
    desk,
    events,
    facts_of,
    fills,
    limit,
    ns,
    only,
    quote,
    run_desk,
    samples,
    seconds,
    sell,
    silence,
    trade,
)
from tests.frames import S
from tests.laws import plain, run
from tests.plain_flow import IDS, desk_batches, facts_of_account, flow_steps, interleave

FIVE = Limits(Decimal(5), Decimal(10**12), 10**6, S)
D = Decimal
STEPS = flow_steps()

# --- what accounts share ------------------------------------------------------------------


def test_accounts_share_what_a_trade_shows():
    rows = [trade(5, 100), trade(6, 100, 3), trade(7, 101, 9)]
    requests = [buy("a", at=0, size=2), buy("b", at=0, size=2, account="wide")]
    facts = run_desk(desk("sized", accounts=("main", "wide"), slip=None), rows, requests)
    assert fills(facts) == ["6 a 2 @ 100", "6 b 1 @ 100", "7 b 1 @ 101"]


def test_accounts_share_what_a_quote_shows():
    rows = [quote(4, 99, 100, (1, 3)), silence(5), trade(6, 100, 9), quote(7, 99, 101, (1, 9))]
    requests = [buy("a", at=1, size=2), buy("b", at=1, size=2, account="wide")]
    facts = run_desk(desk("sized", accounts=("main", "wide"), slip=None), rows, requests)
    assert fills(facts) == ["6 a 2 @ 100", "6 b 1 @ 100", "7 b 1 @ 101"]


@pytest.mark.parametrize(
    ("slip", "parts"), [(0, [(5, 2)]), (1, [(3, 0), (2, 2)]), (None, [(3, 0), (2, 0)])]
)
def test_a_fill_says_what_of_it_nothing_showed(slip, parts):
    rows = [
        quote(4, 99, 100, (1, 3)),
        silence(5),
        quote(6, 99, 100, (1, 3)),
        quote(7, 99, 100, (1, 9)),
    ]
    facts = run_desk(desk("sized", slip=slip), rows, [buy("a", at=1, size=5)])
    assert [(each.size, each.beyond) for each in only(Fill, facts)] == parts


def test_a_trade_fills_the_orders_of_all_accounts_whole_where_size_is_not_asked():
    rows = [trade(5, 100), trade(6, 100, 1)]
    requests = [buy("a", at=0, size=2), buy("b", at=0, size=2, account="wide")]
    facts = run_desk(desk("trade", accounts=("main", "wide")), rows, requests)
    assert fills(facts) == ["6 a 2 @ 100", "6 b 2 @ 100"]


@settings(max_examples=40, deadline=None)
@given(frames.logs(), frames.page_sizes(1), st.sampled_from(["main", "wide"]))
def test_an_account_has_the_same_facts_alone_where_liquidity_is_not_shared(log, sizes, name):
    both = STEPS["desk"]
    assert isinstance(both, Desk)
    alone = Desk(replace(both.settings, accounts={name: both.settings.accounts[name]}))
    received = interleave(desk_batches(log, sizes, STEPS), [])
    own = [
        replace(each, intents=tuple(i for i in each.intents if i.account == name))
        for each in received
    ]
    facts = facts_of_account(run(both, received)[1], name)
    assert plain(facts) == plain(run(alone, own)[1])


def test_an_account_is_checked_against_its_own_limits():
    settings_ = desk(accounts=("main", "wide"))
    small = replace(settings_.accounts["wide"], limits=FIVE)
    settings_ = replace(settings_, accounts={**settings_.accounts, "wide": small})
    requests = [buy("a", at=0, size=6), buy("b", at=0, size=6, account="wide")]
    facts = run_desk(settings_, [trade(5, 100)], requests)
    assert decisions(facts) == ["a APPROVED", "b POSITION_LIMIT"]


def test_events_and_commands_are_not_in_the_numbers_of_other_facts():
    rows, requests = [trade(5, 100), trade(6, 100)], [buy("a", at=0)]
    with_events = run_desk(desk(), rows, requests)
    without = run_desk(desk(order_events=False), rows, requests)
    assert {type(each).__name__ for each in with_events} - {type(each).__name__ for each in without} == {
        "OrderEvent", "Command",
    }  # fmt: skip
    assert [each for each in with_events if type(each) in {type(f) for f in without}] == without


def test_an_order_waits_for_the_first_tick_of_its_instrument_wherever_that_comes_from():
    #   decided at a record of binance; of the instrument of coinbase nothing has come yet
    other = IDS.index("BTC-USD.COINBASE")
    first = batches_of([trade(5, 100), silence(9)], [buy("a", at=0, i=other)])
    second = batches_of(
        [silence(5.5), trade(6, 70, i=other), silence(9)], [], partition=B, one_by_one=True
    )
    settings_ = desk(partitions=(B, A))
    late = facts_of(settings_, [*first, *second])
    assert fills(late) == ["6 a 1 @ 70"]
    assert late == facts_of(settings_, [*second[:1], *first, *second[1:]], restored=True)


# --- what is due at one time --------------------------------------------------------------


@pytest.mark.parametrize(
    ("at", "last"), [(9, "9 a EXPIRED GTD DONE EXPIRED"), (8.999, "8.999 a FILL DONE FILLED")]
)
def test_an_end_at_the_time_of_a_trade_comes_before_it(at, last):
    terms = limit(99, tif="GTD", expire_ns=9 * S)
    rows = [trade(5, 100), trade(6, 100), trade(at, 98), trade(10, 98)]
    assert events(run_desk(desk(), rows, [buy("a", at=0, terms=terms)]))[-1] == last


def test_an_answer_is_heard_before_the_records_of_its_time():
    rows = [trade(5, 100), trade(6, 100), trade(8, 100), trade(9, 100)]
    facts = run_desk(desk(answer=2), rows, [buy("a", at=0), buy("b", at=2)])
    order = [type(each).__name__ for each in facts if isinstance(each, Fill | Decision)]
    assert order == ["Decision", "Fill", "Decision"]
    assert events(facts)[:3] == ["5 a SENT", "8 a ACCEPTED", "8 a FILL DONE FILLED"]


def ids_by_draw(kind):
    """Return a strategy whose order draws below a half, and one whose order draws above."""
    found = {}
    for number in range(50):
        name = f"s{number}"
        (order,) = only(Order, facts_of(desk(), batches_of([trade(5, 100)], [buy(name, at=0)])))
        found.setdefault(draw_of(order.id, kind) >= D("0.5"), name)
    return found[False], found[True]


def test_at_one_time_the_venue_acts_before_an_answer_is_heard():
    #   the answer to `late` comes 1 ns after the trade, when the order of `early` expires
    early, late = ids_by_draw("answer")
    slow = replace(desk().paper, answer=Latency(0, 2))
    rows = [trade(5, 100), trade(9 - 1e-9, 99), silence(10)]
    requests = [
        buy(late, at=0, terms=limit(100)),
        buy(early, at=0, terms=limit(50, tif="GTD", expire_ns=9 * S)),
    ]
    facts = run_desk(desk(paper=slow), rows, requests)
    assert [each for each in events(facts) if each.startswith("9 ")] == [
        f"9 {early} EXPIRED GTD DONE EXPIRED",
        f"9 {late} ACCEPTED",
        f"9 {late} FILL DONE FILLED",
    ]


def test_at_one_time_answers_are_heard_before_slices_and_slices_before_samples():
    #   answers of the slice of 5 s at 7 s, the slice of 7 s, and the sample of 8 s
    twap = Slicing("twap", count=3, every_ns=ns(1))
    rows = [
        trade(5, 100),
        trade(5.5, 100),
        trade(6.5, 100),
        trade(7, 100),
        trade(7.5, 101),
        silence(9),
    ]
    facts = run_desk(desk(answer=0.5, sample=1), rows, [buy("a", at=0, size=3, slicing=twap)])
    lines = [
        f"{seconds(f.time_ns)} {type(f).__name__}"
        for f in facts
        if type(f).__name__ in ("Position", "Command", "Equity")
    ]
    assert [each for each in lines if each.startswith("6 ")] == ["6 Position", "6 Command"]
    assert [each for each in lines if each.startswith("7 ")] == [
        "7 Position",
        "7 Command",
        "7 Equity",
    ]
    assert samples(facts)[0] == (7, 200), "what is heard at the time of a sample is in it"


def test_a_bar_is_followed_after_the_rows_of_its_record_and_before_its_intents():
    pov = Slicing("participation", share=D("0.5"))
    closing = replace(bar(100, number=6, log_ns=ns(7), offset=1), instrument=IDS[BTC], volume=4.0)
    rows = [trade(5, 100), trade(7, 100, 9), trade(8, 100)]
    requests = [buy("a", at=0, size=5, slicing=pov), sell("b", at=1)]
    facts = run_desk(desk(reads_bars=True), rows, requests, bars=[closing])
    assert commands(facts) == ["7 PLACE a.child 2", "7 PLACE b 1"]


# --- latency ------------------------------------------------------------------------------


@pytest.mark.parametrize(("at", "filled"), [(6.4, True), (6.5, False), (6.6, False)])
def test_a_cancel_ends_an_order_when_it_has_come_to_the_venue(at, filled):
    rows = [trade(5, 100), silence(6), trade(at, 98), silence(8)]
    requests = [buy("a", at=0, terms=limit(99)), ask("b", at=1, cancels="a")]
    facts = run_desk(desk(cancel=0.5), rows, requests)
    assert bool(fills(facts)) is filled
    assert events(facts)[-1] == (
        "6.5 a CANCEL_REFUSED ORDER_OVER DONE FILLED" if filled else "6.5 a CANCELED DONE CANCELED"
    )


def test_the_desk_knows_of_a_fill_when_the_answer_has_come():
    rows = [trade(5, 100), trade(6, 100), trade(6.2, 100), trade(6.6, 100)]
    facts = run_desk(desk(answer=0.5), rows, [buy("a", at=0)])
    assert events(facts) == ["5 a SENT", "6.5 a ACCEPTED", "6.5 a FILL DONE FILLED"]
    (fill,) = only(Fill, facts)
    assert (fill.log_ns, fill.offset, fill.partition) == (ns(6), 1, A)


def test_by_the_log_a_late_trade_fills_and_by_the_venue_it_does_not():
    #   decided at 5 s; the trade that is logged at 6 s happened at 4.5 s
    rows = [trade(4, 100), trade(5, 100), trade(6, 90, v=4.5), trade(7, 110, v=6.5), silence(9)]
    for venue_clock, price in ((False, 90), (True, 110)):
        facts = run_desk(desk(venue_clock=venue_clock), rows, [buy("a", at=1)])
        assert [fill.price for fill in only(Fill, facts)] == [price]


# --- a whole life -------------------------------------------------------------------------


def test_the_life_of_an_order_is_in_its_events_and_commands():
    rows = [
        trade(5, 100), trade(6, 100, 9), trade(7, 98, 1), silence(8), trade(9, 98.5, 2), silence(10),
        trade(11, 90, 9),
    ]  # fmt: skip
    requests = [
        buy("a", at=0, size=5, terms=limit(99)),
        ask("b", at=3, amends="a", size=4, limit=99.5),
        ask("c", at=5, cancels="a"),
    ]
    facts = run_desk(desk("sized", entry=0.25, cancel=0.5, answer=0.25), rows, requests)
    assert events(facts) == [
        "5 a SENT",
        "6.25 a ACCEPTED",
        "7.25 a FILL",
        "8 a AMEND_ASKED pending AMEND",
        "8.5 a AMENDED",
        "9.25 a FILL",
        "10 a CANCEL_ASKED pending CANCEL",
        "10.75 a CANCELED DONE CANCELED",
    ]
    assert commands(facts) == [
        "5 PLACE a 5 @ 99",
        "8 AMEND a 4 @ 99.5",
        "10 CANCEL a 4 @ 99.5",
    ]
    assert fills(facts) == ["7 a 1 @ 99", "9 a 2 @ 99.5"]
    assert [each.wire_id[-1] for each in only(Command, facts)] == ["0", "1", "1"]
    (order,) = only(Order, facts)
    assert (order.size, order.limit) == (5, 99), "an order is the approval, and never changes"


def test_an_order_that_the_venue_refuses_has_no_fill_and_says_why():
    facts = run_desk(desk(), [trade(5, 100), trade(6, 100)], [buy("a", at=0, terms=limit(99.9))])
    assert events(facts) == ["5 a SENT", "6 a REJECTED TICK DONE REJECTED"]
    assert fills(facts) == []


# --- exposure -----------------------------------------------------------------------------

FAR = limit(50)


@pytest.mark.parametrize(
    ("terms", "others"),
    [
        (limit(50, tif="GTD", expire_ns=7 * S), []),
        (limit(50, tif="IOC"), []),
        (limit(50.1), []),
        (FAR, [ask("x", at=1, cancels="a")]),
        (FAR, [ask("x", at=1, amends="a", size=1)]),
    ],
    ids=["expired", "rest of an IOC", "rejected", "canceled", "amended"],
)
def test_what_an_order_will_not_fill_is_given_back(terms, others):
    rows = [trade(5, 100), trade(6, 100), trade(7, 100), trade(8, 100)]
    requests = [
        buy("a", at=0, size=5, terms=terms), *others,
        buy("b", at=0, size=4), buy("c", at=3, size=4),
    ]  # fmt: skip
    facts = run_desk(desk(limits=FIVE), rows, requests)
    assert decisions(facts) == ["a APPROVED", "b POSITION_LIMIT", "c APPROVED"]


def test_what_was_filled_stays_in_the_exposure():
    rows = [trade(5, 100), trade(6, 99, 2), trade(7, 100), trade(8, 100)]
    requests = [
        buy("a", at=0, size=5, terms=limit(99.5)), ask("x", at=2, cancels="a"),
        buy("b", at=3, size=4), buy("c", at=3, size=3),
    ]  # fmt: skip
    facts = run_desk(desk("sized", limits=FIVE, slip=None), rows, requests)
    assert fills(facts)[0] == "6 a 2 @ 99"
    assert decisions(facts)[1:] == ["b POSITION_LIMIT", "c APPROVED"]


def test_an_exit_that_fills_gives_exposure_back():
    exit_ = Leg(SELL, D(5), limit(110))
    rows = [trade(5, 100), trade(6, 100), trade(7, 111), trade(8, 100)]
    requests = [
        buy("a", at=0, size=5, exits=(exit_,)),
        buy("b", at=1, size=1),
        buy("c", at=3, size=5),
    ]
    facts = run_desk(desk(limits=FIVE), rows, requests)
    assert decisions(facts) == ["a APPROVED", "a APPROVED", "b POSITION_LIMIT", "c APPROVED"]


def test_a_larger_size_counts_while_the_amendment_is_on_its_way():
    requests = [
        buy("a", at=0, size=3, terms=FAR),
        ask("x", at=1, amends="a", size=5),
        buy("b", at=2, size=1),
    ]
    rows = [trade(5, 100), silence(6), silence(7), silence(8)]
    facts = run_desk(desk(limits=FIVE, entry=5), rows, requests)
    assert decisions(facts) == ["a APPROVED", "b POSITION_LIMIT"]


def test_a_larger_size_of_an_amendment_is_checked_and_counts():
    rows = [trade(5, 100), silence(6), silence(7), silence(8)]
    requests = [
        buy("a", at=0, size=3, terms=FAR), ask("x", at=1, amends="a", size=6),
        ask("y", at=2, amends="a", size=4), buy("b", at=3, size=2), buy("c", at=3, size=1),
    ]  # fmt: skip
    facts = run_desk(desk(limits=FIVE), rows, requests)
    assert decisions(facts) == ["a APPROVED", "x POSITION_LIMIT", "b POSITION_LIMIT", "c APPROVED"]
    assert commands(facts)[:2] == ["5 PLACE a 3 @ 50", "7 AMEND a 4 @ 50"]


# --- requests about orders ------------------------------------------------------------------


@pytest.mark.parametrize("what", ["cancels", "amends"])
def test_a_wish_about_an_unknown_order_is_refused(what):
    fields = {what: "nothing"} | ({"size": 2} if what == "amends" else {})
    facts = run_desk(desk(), [trade(5, 100)], [ask("x", at=0, **fields)])
    (decision,) = facts
    assert (decision.decision, decision.reason) == ("DENIED", "ORDER_UNKNOWN")
    assert decision.detail == "ORDER_UNKNOWN: nothing"


@pytest.mark.parametrize("what", ["cancels", "amends"])
def test_a_wish_about_an_order_of_another_account_is_refused(what):
    fields = {what: "a"} | ({"size": 2} if what == "amends" else {})
    requests = [buy("a", at=0, terms=FAR), ask("x", at=1, account="wide", **fields)]
    facts = run_desk(
        desk(accounts=("main", "wide")), [trade(5, 100), trade(6, 100), silence(7)], requests
    )
    assert decisions(facts) == ["a APPROVED", "x ORDER_UNKNOWN"]
    assert commands(facts) == ["5 PLACE a 1 @ 50"]


@pytest.mark.parametrize(("what", "kind"), [("cancels", "CANCEL"), ("amends", "AMEND")])
def test_a_wish_about_an_order_that_is_over_changes_nothing(what, kind):
    fields = {what: "a"} | ({"size": 2} if what == "amends" else {})
    requests = [buy("a", at=0), ask("x", at=2, **fields)]
    facts = run_desk(desk(), [trade(5, 100), trade(6, 100), silence(7), silence(8)], requests)
    assert events(facts)[-1] == f"7 a {kind}_REFUSED ORDER_OVER DONE FILLED"
    assert commands(facts) == ["5 PLACE a 1"]


# --- orders of one intent -----------------------------------------------------------------


def test_the_legs_of_an_intent_are_approved_all_or_none():
    other = Leg(BUY, D(4), limit(98))
    rows = [trade(5, 100), trade(6, 100)]
    facts = run_desk(
        desk(limits=FIVE), rows,
        [buy("a", at=0, size=2, terms=limit(99), others=(other,)), buy("b", at=1, size=5)],
    )  # fmt: skip
    assert decisions(facts) == ["a POSITION_LIMIT", "b APPROVED"]
    assert commands(facts) == ["6 PLACE b 5"]


def test_legs_that_are_approved_are_all_sent():
    other = Leg(BUY, D(3), limit(98))
    facts = run_desk(
        desk(limits=FIVE),
        [trade(5, 100)],
        [buy("a", at=0, size=2, terms=limit(99), others=(other,))],
    )
    assert decisions(facts) == ["a APPROVED", "a APPROVED"]
    assert commands(facts) == ["5 PLACE a 2 @ 99", "5 PLACE a2 3 @ 98"]


def bracket(**fields):
    """Ask to buy 4 with a target and a stop, of which one fill takes from the other."""
    target, stop = Leg(SELL, D(4), limit(110)), Leg(SELL, D(4), Terms(type="stop", trigger=D(90)))
    return buy("a", at=0, size=4, exits=(target, stop), **fields)


def test_exits_only_reduce_and_have_no_exposure_of_their_own():
    facts = run_desk(desk(limits=FIVE), [trade(5, 100), trade(6, 100)], [bracket()])
    assert [(each.role, each.reduce_only) for each in only(Order, facts)] == [
        ("entry", False), ("exit", True), ("exit", True),
    ]  # fmt: skip
    assert [each.detail[:5] for each in only(Decision, facts)][1:] == ["EXIT:", "EXIT:"]


def test_exits_are_sent_with_what_the_entry_has_filled_and_follow_it():
    rows = [
        trade(5, 100),
        trade(6, 100, 1),
        trade(7, 100, 2),
        trade(8, 111, 2),
        trade(9, 89, 9),
        trade(10, 89, 9),
    ]
    facts = run_desk(desk("sized", slip=None), rows, [bracket()])
    assert commands(facts) == [
        "5 PLACE a 4",
        "6 PLACE a.exit 1 @ 110", "6 PLACE a.exit2 1",
        "7 AMEND a.exit 3 @ 110", "7 AMEND a.exit2 3",
        "8 AMEND a.exit 4 @ 110", "8 AMEND a.exit2 4",
        "8 AMEND a.exit2 3",  # the target has filled 1
        "10 CANCEL a.exit 4 @ 110",
    ]  # fmt: skip
    assert fills(facts) == [
        "6 a 1 @ 100", "7 a 2 @ 100", "8 a 1 @ 111", "8 a.exit 1 @ 110", "10 a.exit2 3 @ 89",
    ]  # fmt: skip


def test_exits_of_an_entry_that_never_fills_are_canceled_and_never_sent():
    rows = [trade(5, 100), trade(6, 100), silence(7), silence(8)]
    requests = [bracket(terms=FAR), ask("x", at=2, cancels="a")]
    facts = run_desk(desk(), rows, requests)
    assert commands(facts) == ["5 PLACE a 4 @ 50", "7 CANCEL a 4 @ 50"]
    assert events(facts)[-3:] == [
        "7 a CANCELED DONE CANCELED",
        "7 a.exit CANCEL_ASKED PARENT_ENDED DONE CANCELED",
        "7 a.exit2 CANCEL_ASKED PARENT_ENDED DONE CANCELED",
    ]


# --- slices -------------------------------------------------------------------------------


def test_a_twap_sends_its_slices_at_their_times_and_no_more_than_its_size():
    twap = Slicing("twap", count=4, every_ns=ns(2))
    rows = [trade(5 + n, 100, 9) for n in range(10)]
    facts = run_desk(desk(), rows, [buy("a", at=0, size=10, slicing=twap)])
    assert commands(facts) == [
        "5 PLACE a.child 2.5", "7 PLACE a.child2 2.5", "9 PLACE a.child3 2.5", "11 PLACE a.child4 2.5",
    ]  # fmt: skip
    assert sum(each.size for each in only(Fill, facts)) == 10
    assert events(facts)[-1].endswith("a FILL DONE FILLED")
    assert [each.role for each in only(Order, facts)] == ["entry", *["child"] * 4]


def test_an_iceberg_shows_one_slice_at_a_time():
    rows = [trade(5, 100), *(trade(6 + n, 98, 9) for n in range(5))]
    iceberg = Slicing("iceberg", display=D(2))
    facts = run_desk(
        desk("sized"), rows, [buy("a", at=0, size=5, terms=limit(99), slicing=iceberg)]
    )
    assert commands(facts)[0] == "5 PLACE a.child 2 @ 99"
    assert [each.size for each in only(Command, facts)] == [2, 2, 1]
    assert sum(each.size for each in only(Fill, facts)) == 5


def test_an_order_that_follows_the_volume_takes_its_share_of_each_bar_since():
    pov = Slicing("participation", share=D("0.5"))
    volumes = [4.0, 2.0, 40.0]
    bars = [
        replace(
            bar(100, number=5 + n, log_ns=ns(7 + n), offset=1 + n), instrument=IDS[BTC], volume=each
        )
        for n, each in enumerate(volumes)
    ]
    other = replace(bars[0], instrument=IDS[ETH], volume=99.0)
    rows = [trade(5, 100), *(trade(7 + n, 100, 99) for n in range(5))]
    facts = run_desk(
        desk(reads_bars=True), rows, [buy("a", at=0, size=6, slicing=pov)], bars=[other, *bars]
    )
    assert commands(facts) == ["7 PLACE a.child 2", "8 PLACE a.child2 1", "9 PLACE a.child3 3"]


def test_a_cancel_of_an_order_in_slices_ends_its_living_slice_and_sends_no_more():
    twap = Slicing("twap", count=4, every_ns=ns(2))
    rows = [trade(5, 100), silence(6), silence(8), silence(12), silence(13)]
    requests = [
        buy("a", at=0, size=8, terms=FAR, slicing=twap), ask("x", at=1, cancels="a"),
        buy("b", at=3, size=5),
    ]  # fmt: skip
    facts = run_desk(desk(limits=Limits(D(8), D(10**12), 99, S)), rows, requests)
    assert commands(facts) == ["5 PLACE a.child 2 @ 50", "6 CANCEL a.child 2 @ 50", "12 PLACE b 5"]
    assert decisions(facts)[-1] == "b APPROVED", "what was not filled is given back"


def test_a_market_order_that_meets_no_market_expires_by_patience():
    rows = [trade(5, 100), silence(20), silence(40)]
    facts = run_desk(desk("sized", patience=10, entry=1), rows, [buy("a", at=0)])
    assert events(facts) == ["5 a SENT", "16 a EXPIRED NO_MARKET DONE EXPIRED"]


def test_a_timer_that_the_log_does_not_reach_never_fires():
    rows = [trade(5, 100), silence(15)]
    facts = run_desk(desk("sized", patience=10, entry=1), rows, [buy("a", at=0)])
    assert events(facts) == ["5 a SENT"]
