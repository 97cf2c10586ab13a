"""Ends, changes and answers at the paper venue: docs/paper.md 6, 8."""

from decimal import Decimal

import pytest

from tapeflow.operators.desk.venue.rules import Latency
from tapeflow.operators.desk.venue.venue import Venue
from tapeflow.schemas.instruments import InstrumentTable
from tapeflow.schemas.sides import BUY, SELL
from tests.venue_market import (
    Market,
    amend,
    as_text,
    cancel,
    instrument,
    outcome,
    paper,
    place,
    quote,
    run_three_ways,
    trade,
    until,
)

MODELS = ("trade", "sized", "touch")
DAY = 86_400_000_000_000
FAR = quote(1, 90, 110, 9, 9)


def timed_outcome(rules, *steps, instruments=()):
    """Return (log time at which it is heard, report) of each report."""
    reports = run_three_ways(rules, steps, *instruments).reports
    return [(report.position[0], as_text(report)) for report in reports]


def ends(rules, *steps):
    """Return (heard, venue time, kind and reason) of each end."""
    return ends_of(run_three_ways(rules, steps))


def ends_of(market):
    return [
        (report.position[0], report.event_ns, f"{report.kind} {report.reason}".strip())
        for report in market.reports
        if report.kind in ("CANCELED", "EXPIRED", "REJECTED", "CANCEL_REFUSED", "AMEND_REFUSED")
    ]


def limit(log_ns, name="o", side=BUY, size=5, price=100, **terms):
    return place(log_ns, name, side, size, "limit", limit=price, **terms)


# --- time in force ------------------------------------------------------------------------


def test_gtd_ends_at_its_time_before_a_row_of_it():
    steps = limit(10, tif="GTD", expire_ns=20), trade(11, 105), trade(20, 90, 1)
    assert ends(paper(), *steps) == [(20, 20, "EXPIRED GTD")]
    assert outcome(paper(), *steps) == ["o ACCEPTED", "o EXPIRED GTD"]


def test_a_row_just_before_the_end_still_fills():
    steps = limit(10, tif="GTD", expire_ns=20), trade(11, 105), trade(19, 90, 9)
    assert outcome(paper(), *steps) == ["o ACCEPTED", "o FILL 5 @ 100 MAKER"]


@pytest.mark.parametrize(("decided", "end"), [(0, DAY), (DAY - 1, DAY), (DAY, 2 * DAY)])
def test_day_ends_at_the_next_midnight_after_the_decision(decided, end):
    steps = limit(decided, tif="DAY"), trade(decided, 105), until(3 * DAY)
    assert ends(paper(), *steps) == [(end, end, "EXPIRED DAY")]


def test_an_order_on_its_way_ends_the_same_way():
    steps = limit(10, tif="GTD", expire_ns=20), until(30)
    assert outcome(paper(entry=15), *steps) == ["o EXPIRED GTD"]


def test_an_end_that_is_past_when_the_order_is_decided_is_due_at_once():
    steps = limit(10, tif="GTD", expire_ns=5), trade(11, 90)
    assert ends(paper(), *steps) == [(10, 10, "EXPIRED GTD")]


# --- when an end takes effect -------------------------------------------------------------


def test_an_end_waits_for_the_delay_of_the_feed_but_not_for_a_row_that_has_passed_it():
    delayed = limit(10, tif="GTD", expire_ns=20), trade(11, 105), trade(18, 105, v=14)  # delay 4
    assert ends(paper(), *delayed, until(23)) == []
    assert ends(paper(), *delayed, until(24)) == [(24, 20, "EXPIRED GTD")]
    assert ends(paper(), *delayed, trade(22, 90, v=20)) == [(22, 20, "EXPIRED GTD")]
    late_but_in_time = *delayed, trade(22, 90, 9, v=19)
    assert outcome(paper(), *late_but_in_time)[1:] == ["o FILL 5 @ 100 MAKER"]


def test_the_delay_of_an_end_is_that_at_its_log_time():
    steps = limit(10, tif="GTD", expire_ns=20), trade(11, 105), trade(18, 105, v=14)
    after = trade(21, 105, v=12), until(23)  # delay 9 now; at log time 20 it was 4
    assert ends(paper(), *steps, *after) == []
    assert ends(paper(), *steps, *after, until(24)) == [(24, 20, "EXPIRED GTD")]


def test_the_delay_is_that_of_the_instrument_of_the_order():
    two = instrument("A-USD.BINANCE"), instrument("B-USD.BINANCE")
    steps = (
        place(10, "o", BUY, 1, "limit", limit=100, i=1, tif="GTD", expire_ns=20),
        trade(18, 105, v=1, i=0), trade(19, 105, v=16, i=1), until(30),
    )  # fmt: skip
    assert timed_outcome(paper(), *steps, instruments=two)[1:] == [(23, "o EXPIRED GTD")]


def test_ends_of_one_log_time_go_by_venue_time_then_by_number():
    two = instrument("A-USD.BINANCE"), instrument("B-USD.BINANCE")
    early = (limit(10, name, tif="GTD", expire_ns=22) for name in ("z", "y"))
    late = place(10, "x", BUY, 1, "limit", limit=100, i=1, tif="GTD", expire_ns=20)
    steps = *early, late, trade(12, 105, i=0), trade(12, 105, v=10, i=1), until(30)
    expected = [(22, f"{name} EXPIRED GTD") for name in "xzy"]
    assert timed_outcome(paper(), *steps, instruments=two)[3:] == expected


def test_ends_that_one_row_brings_go_by_venue_time_then_by_number():
    delayed = trade(14, 105, v=11)
    steps = (
        limit(10, "c", tif="GTD", expire_ns=17), limit(10, "b", tif="GTD", expire_ns=16),
        limit(10, "a", tif="GTD", expire_ns=16), delayed, trade(18, 105, v=17),
    )  # fmt: skip
    assert outcome(paper(), *steps)[3:] == [f"{name} EXPIRED GTD" for name in "bac"]


# --- patience -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "order",
    [
        place(10, "o", BUY, 1),
        place(10, "o", BUY, 1, "limit", limit=100, tif="IOC"),
        place(10, "o", BUY, 1, "limit", limit=100, tif="FOK"),
    ],
)
def test_what_finds_no_market_within_patience_expires(order):
    assert ends(paper(entry=5, patience=30), order, until(44)) == []
    assert ends(paper(entry=5, patience=30), order, until(45)) == [(45, 45, "EXPIRED NO_MARKET")]
    assert outcome(paper(entry=5, patience=30), order, trade(45, 100)) == ["o EXPIRED NO_MARKET"]
    assert outcome(paper(entry=5), order, until(10_000)) == []


def test_a_market_order_that_is_filled_in_part_expires_too():
    steps = place(10, "o", BUY, 3), trade(11, 100), until(60)
    assert outcome(paper(patience=30), *steps) == [
        "o ACCEPTED",
        "o FILL 1 @ 100 TAKER",
        "o EXPIRED NO_MARKET",
    ]


@pytest.mark.parametrize("model", MODELS)
def test_a_limit_order_that_finds_no_market_enters_and_rests(model):
    steps = limit(10), until(40)
    assert timed_outcome(paper(model, patience=30), *steps) == [(40, "o ACCEPTED")]
    assert outcome(paper(model, patience=30), *steps, trade(41, 99, 9))[1:] == [
        "o FILL 5 @ 100 MAKER"
    ]
    assert outcome(paper(model, patience=30), limit(10), trade(40, 99, 9)) == [
        "o ACCEPTED",
        "o FILL 5 @ 100 MAKER",
    ]


def test_a_limit_order_that_enters_by_patience_is_checked_but_not_for_what_it_meets():
    wrong = limit(10, price=100.25), until(40)
    assert outcome(paper(patience=30), *wrong) == ["o REJECTED TICK"]
    post_only = limit(10, post_only=True), trade(40, 99, 1)
    assert outcome(paper(patience=30), *post_only)[0] == "o ACCEPTED"


def test_a_limit_order_that_rests_has_no_patience():
    steps = limit(10), trade(11, 105), until(10_000)
    assert outcome(paper(patience=30), *steps) == ["o ACCEPTED"]


def test_what_is_ahead_of_an_order_that_enters_by_patience_is_that_of_the_touch_then():
    rules = paper("touch", patience=30, age=1_000)
    away = quote(
        1, 100, 110, 4, 9
    )  # the touch is there, but no row comes that could enter the order
    steps = away, limit(10), until(40), trade(41, 100, 5)
    assert outcome(rules, *steps) == ["o ACCEPTED", "o FILL 1 @ 100 MAKER"]


def test_of_equal_ends_patience_is_first_then_time_in_force_then_the_cancel():
    both = place(10, "o", BUY, 1, tif="GTD", expire_ns=40), cancel(30, "o"), until(50)
    assert outcome(paper(patience=30, cancel=10), *both)[0] == "o EXPIRED NO_MARKET"
    assert outcome(paper(patience=31, cancel=10), *both)[0] == "o EXPIRED GTD"
    assert outcome(paper(patience=31, cancel=9), *both)[0] == "o CANCELED"


# --- cancels ------------------------------------------------------------------------------


def test_a_cancel_ends_the_order_at_its_arrival():
    steps = FAR, limit(10), trade(11, 105), cancel(12, "o", reason="OCO")
    rules = paper(cancel=5)
    assert outcome(rules, *steps, trade(16, 90, 2), trade(17, 90, 9)) == [
        "o ACCEPTED", "o FILL 2 @ 100 MAKER", "o CANCELED OCO",
    ]  # fmt: skip
    assert ends(rules, *steps, until(20)) == [(17, 17, "CANCELED OCO")]


def test_a_row_that_has_passed_a_cancel_brings_it_however_far_its_price():
    steps = limit(8), trade(11, 105), trade(12, 105, v=8), cancel(13, "o"), trade(16, 500, v=15)
    assert ends(paper(cancel=2), *steps) == [(16, 15, "CANCELED")]
    assert ends(paper(cancel=3), *steps, until(20)) == [(20, 16, "CANCELED")], "not yet passed"


def test_a_cancel_never_overtakes_its_order():
    steps = limit(10), cancel(11, "o"), until(40)
    assert ends(paper(entry=20, cancel=2), *steps) == [(30, 30, "CANCELED")]


def test_a_cancel_of_an_order_that_is_over_is_refused_at_its_arrival():
    steps = limit(10), trade(11, 99, 9), cancel(12, "o"), until(40)
    assert ends(paper(cancel=5), *steps) == [(17, 17, "CANCEL_REFUSED ORDER_OVER")]


def test_a_cancel_of_an_order_that_is_filled_before_it_comes_is_refused_at_its_arrival():
    steps = limit(10), trade(11, 105), cancel(12, "o"), trade(13, 99, 9), until(40)
    assert ends(paper(cancel=5), *steps) == [(17, 17, "CANCEL_REFUSED ORDER_OVER")]


def test_a_cancel_is_refused_with_the_fill_that_comes_after_its_log_time():
    steps = (
        limit(10),
        trade(11, 105, v=11),
        trade(12, 105, v=6),
        cancel(13, "o"),
        trade(19, 99, 9, v=16),
    )
    assert timed_outcome(paper(cancel=5), *steps)[1:] == [
        (19, "o FILL 5 @ 100 MAKER"),
        (19, "o CANCEL_REFUSED ORDER_OVER"),
    ]


def test_the_second_cancel_of_an_order_is_refused():
    steps = limit(10), trade(11, 105), cancel(12, "o"), cancel(13, "o"), until(40)
    assert ends(paper(cancel=5), *steps) == [
        (17, 17, "CANCELED"),
        (18, 18, "CANCEL_REFUSED ORDER_OVER"),
    ]


def test_a_cancel_of_an_order_that_never_was_is_refused():
    assert outcome(paper(), cancel(10, "nobody")) == ["nobody CANCEL_REFUSED ORDER_OVER"]


def test_an_order_is_placed_once():
    with pytest.raises(ValueError, match="at the venue already"):
        outcome(paper(), limit(10), limit(11))


# --- amendments ---------------------------------------------------------------------------

ENTERED = FAR, limit(10), trade(11, 105)


def test_an_amendment_takes_effect_at_its_arrival():
    steps = *ENTERED, amend(12, "o", size=2, limit=99)
    rules = paper(entry=1)
    assert outcome(rules, *steps, trade(13, 98.5, 9)) == [
        "o ACCEPTED",
        "o AMENDED",
        "o FILL 2 @ 99 MAKER",
    ]
    assert timed_outcome(rules, *steps, until(30))[1:] == [(13, "o AMENDED")]
    report = run_three_ways(rules, [*steps, until(30)]).reports[-1]
    assert (report.size, report.limit, report.trigger) == (2, 99, None)


def test_an_amendment_says_the_whole_size_even_where_it_is_not_changed():
    report = run_three_ways(paper(), [*ENTERED, amend(12, "o", limit=99)]).reports[-1]
    assert (report.kind, report.size, report.limit) == ("AMENDED", 5, 99)


def test_an_amendment_to_what_is_filled_ends_the_order():
    steps = *ENTERED, trade(12, 99, 2), amend(13, "o", size=2), trade(14, 90, 9), cancel(15, "o")
    assert outcome(paper(), *steps) == [
        "o ACCEPTED", "o FILL 2 @ 100 MAKER", "o AMENDED", "o CANCEL_REFUSED ORDER_OVER",
    ]  # fmt: skip


def test_a_smaller_size_keeps_the_priority_and_every_other_change_loses_it():
    orders = FAR, limit(10, "o"), limit(10, "p"), trade(11, 105)
    rest = trade(20, 99, 1)
    for change, first in [
        ({"size": 4}, "o"),
        ({"size": 6}, "p"),
        ({"limit": 100}, "o"),
        ({"limit": 99.5}, "p"),
    ]:
        reports = outcome(paper(), *orders, amend(12, "o", **change), rest)
        assert reports[-1] == f"{first} FILL 1 @ 100 MAKER", change


def test_a_smaller_size_keeps_what_is_ahead_and_every_other_change_learns_it_anew():
    first = quote(1, 100, 110, 5, 9), limit(10), trade(11, 100, 4), quote(12, 100, 110, 50, 9)
    assert outcome(paper("touch"), *first, amend(13, "o", size=4), trade(14, 100, 2))[2:] == [
        "o FILL 1 @ 100 MAKER"
    ]
    assert outcome(paper("touch"), *first, amend(13, "o", size=6), trade(14, 100, 2))[2:] == []
    assert outcome(paper("touch"), *first, amend(13, "o", size=6), trade(14, 100, 51))[2:] == [
        "o FILL 1 @ 100 MAKER"
    ]


def test_an_amended_limit_takes_from_the_touch_that_it_now_reaches():
    steps = quote(1, 90, 102, 9, 3), limit(10), trade(11, 102), amend(12, "o", limit=103)
    for model in ("sized", "touch"):
        assert outcome(paper(model, slip=None), *steps, trade(13, 104))[1:] == [
            "o AMENDED",
            "o FILL 3 @ 102 TAKER",
        ]
    assert outcome(paper("trade"), *steps, trade(13, 104))[1:] == ["o AMENDED"]


def test_an_amended_limit_that_is_not_within_the_touch_before_the_next_row_rests():
    steps = *ENTERED, amend(12, "o", limit=103), quote(13, 90, 102, 9, 9), trade(14, 103)
    assert outcome(paper(), *steps)[1:] == ["o AMENDED"]


def test_an_amended_post_only_order_that_would_take_is_rejected():
    steps = (
        quote(1, 90, 102),
        limit(10, post_only=True),
        trade(11, 102),
        amend(12, "o", limit=103),
        trade(13, 104),
    )
    assert outcome(paper(), *steps)[1:] == ["o AMENDED", "o REJECTED WOULD_TAKE"]


def test_an_amended_order_that_would_cross_our_own_is_treated_as_the_venue_does():
    newest = [instrument(self_trade="newest")]
    steps = (
        quote(1, 90, 102),
        limit(10),
        limit(10, "s", SELL, 1, 101.5),
        trade(11, 95),
        quote(12, 90, 102),
    )
    reports = outcome(
        paper(), *steps, amend(12, "o", limit=103), trade(13, 101.5), instruments=newest
    )
    assert reports[-1] == "o REJECTED SELF_TRADE"


def test_an_order_on_its_way_is_amended_before_it_enters():
    steps = FAR, limit(10), amend(11, "o", limit=99, size=1), trade(16, 98, 9), trade(17, 98, 9)
    reports = outcome(paper("touch", entry=5), *steps)
    assert reports == ["o AMENDED", "o ACCEPTED", "o FILL 1 @ 99 MAKER"]


def test_an_amendment_comes_before_an_end_of_the_same_time():
    steps = *ENTERED, amend(12, "o", size=3), cancel(12, "o"), until(30)
    assert outcome(paper(entry=1, cancel=1), *steps)[1:] == ["o AMENDED", "o CANCELED"]


def test_two_amendments_of_one_time_both_take_effect():
    steps = *ENTERED, amend(12, "o", size=3), amend(12, "o", limit=99), trade(14, 98, 9)
    assert outcome(paper(entry=1), *steps)[1:] == ["o AMENDED", "o AMENDED", "o FILL 3 @ 99 MAKER"]


def test_two_amendments_of_one_time_are_put_off_by_one_delay():
    steps = (
        limit(8),
        trade(11, 105),
        trade(12, 105, v=8),
        amend(13, "o", size=3),
        amend(13, "o", size=2),
    )
    later = trade(18, 105, v=9)  # the delay is 9 now, and was 4 at log time 15
    assert timed_outcome(paper(entry=2), *steps, later, until(40))[1:] == [(19, "o AMENDED")] * 2


def test_an_amendment_of_an_order_that_is_over_is_refused():
    steps = (
        *ENTERED,
        amend(12, "o", size=3),
        trade(12, 99, 9),
        until(30),
        amend(31, "o", size=9),
        until(40),
    )
    assert ends(paper(entry=1), *steps) == [
        (13, 13, "AMEND_REFUSED ORDER_OVER"), (32, 32, "AMEND_REFUSED ORDER_OVER"),
    ]  # fmt: skip


def test_an_amendment_waits_for_the_delay_of_the_feed():
    steps = limit(8), trade(11, 105), trade(12, 105, v=8), amend(13, "o", limit=99)
    assert timed_outcome(paper(entry=2), *steps, until(18))[1:] == []
    assert timed_outcome(paper(entry=2), *steps, until(19))[1:] == [(19, "o AMENDED")]
    filled = ["o FILL 5 @ 100 MAKER", "o AMEND_REFUSED ORDER_OVER"]
    assert outcome(paper(entry=2), *steps, trade(16, 99.5, 9, v=14))[1:] == filled
    assert outcome(paper(entry=2), *steps, trade(16, 99.5, 9, v=15))[1:] == ["o AMENDED"]


def test_an_amended_order_sees_no_row_that_is_stamped_before_its_change():
    steps = *ENTERED, amend(12, "o", limit=101), trade(14, 105), trade(15, 90, 9, v=11)
    assert outcome(paper(entry=1), *steps)[1:] == ["o AMENDED"]


def test_a_larger_market_order_gets_new_patience():
    steps = place(10, "o", BUY, 1), amend(20, "o", size=2), until(100)
    assert ends(paper(patience=30), *steps) == [(50, 50, "EXPIRED NO_MARKET")]


# --- hearing ------------------------------------------------------------------------------


def test_a_report_is_heard_at_the_row_or_later_by_the_answer():
    steps = limit(10), trade(20, 99, 9, v=14)
    for answer, position in [
        (0, (20, "binance-0", 2)),
        (6, (20, "binance-0", 2)),
        (7, (21, "", -1)),
    ]:
        reports = run_three_ways(paper(answer=answer), steps).reports
        assert [report.position for report in reports] == [position] * 2
        assert [report.event_ns for report in reports] == [14, 14]


def test_a_report_of_a_timer_is_heard_at_its_time_or_later_by_the_answer():
    steps = limit(10, tif="GTD", expire_ns=20), trade(18, 105, v=14), until(30)
    for answer, position in [(0, 24), (4, 24), (9, 29)]:
        report = run_three_ways(paper(answer=answer), steps).reports[-1]
        assert (report.position, report.event_ns) == ((position, "", -1), 20)


def test_the_answer_is_drawn_from_the_order():
    rules = paper(answer=Latency(5, 100))
    steps = limit(10), trade(20, 99, 9)
    position = run_three_ways(rules, steps).reports[0].position
    assert position == (20 + rules.latency_ns("o", "answer"), "", -1)
    assert 25 < position[0] < 125


def test_a_fill_of_a_trade_has_that_trades_time_and_id():
    steps = limit(10), trade(20, 99, 2, v=14, event=17, trade_id=4711), trade(21, 98, 9)
    first, second = run_three_ways(paper(), steps).reports[1:]
    assert (first.event_ns, first.trade_id) == (17, 4711)
    assert (second.event_ns, second.trade_id) == (21, 7)


def test_a_fill_of_a_quote_is_of_no_trade():
    steps = quote(1, 99, 101, 9, 9), limit(10, price=101), trade(20, 99, 2, v=14, event=17)
    report = run_three_ways(paper(), steps).reports[-1]
    assert (report.event_ns, report.trade_id, report.liquidity) == (14, -1, "TAKER")


def test_each_fill_has_its_own_id():
    steps = limit(10), trade(20, 99, 2), trade(21, 98, 2), trade(22, 98, 2)
    fills = run_three_ways(paper(), steps).reports[1:]
    assert [each.execution_id for each in fills] == ["o-1", "o-2", "o-3"]
    assert {each.fee for each in fills} == {None} and {each.source for each in fills} == {"paper"}


# --- the state ----------------------------------------------------------------------------


def test_a_snapshot_is_not_changed_by_what_comes_later():
    market = run_three_ways(paper(), [*ENTERED, cancel(12, "o"), limit(12, "p"), trade(12, 105)])
    market.run([limit(13, "q"), amend(13, "q", size=3)])
    saved = market.venue.snapshot()
    before = repr(saved)
    market.run([trade(14, 99, 9), cancel(15, "q"), until(100)])
    assert repr(saved) == before


def test_a_restored_venue_knows_instruments_that_were_added_since():
    old = InstrumentTable.from_rows([instrument("B-USD.BINANCE")])
    market = run_three_ways(paper(), [FAR, limit(10), trade(11, 105)], *old.rows)
    new = InstrumentTable.from_rows([instrument("A-USD.BINANCE"), *old.rows])
    restored = Venue.restore(market.venue.snapshot(), paper(), new)
    assert restored.bounds(1).trade_low < 100 and restored.bounds(0) == Venue(paper(), new).bounds(
        0
    )
    assert restored.orders["o"].instrument == 1


def test_an_instrument_may_go_once_it_has_no_order():
    two = instrument("A-USD.BINANCE"), instrument("B-USD.BINANCE")
    table = InstrumentTable.from_rows(two[1:])
    flat = (
        quote(1, 99, 101, 9, 9),
        limit(2, "a", price=101, size=1),
        trade(3, 100),
        limit(4, "b", SELL, 1, 99),
        trade(5, 100),
    )
    saved = run_three_ways(paper(), flat, *two).venue.snapshot()
    assert Venue.restore(saved, paper(), table).orders == {}
    working = run_three_ways(paper(), [*flat, limit(6, "c", price=50)], *two).venue.snapshot()
    with pytest.raises(KeyError, match="A-USD"):
        Venue.restore(working, paper(), table)


def test_the_venue_has_positions_before_the_desk_hears_of_them():
    market = run_three_ways(paper(answer=1_000), [limit(10, size=2), trade(11, 99, 2)])
    assert market.venue.positions == {("main", "trend", 0): Decimal(2)}
    market.run([place(12, "back", SELL, 2), trade(13, 99, 9)])
    assert market.venue.positions == {}


def test_orders_that_are_over_leave_no_timers_behind():
    market = Market(paper(), InstrumentTable.from_rows([instrument()]))
    market.run([limit(0, "first", tif="GTD", expire_ns=9_000), limit(0, "live", tif="DAY")])
    for log_ns in range(5_000):
        market.run([limit(log_ns, f"o{log_ns}", tif="DAY"), cancel(log_ns, f"o{log_ns}")])
    assert len(market.venue.timers) < 2_000 and len(market.venue.books[0].events) < 2_000
    last = ends_of(market.run([until(DAY)]))[-2:]
    assert last == [(9_000, 9_000, "EXPIRED GTD"), (DAY, DAY, "EXPIRED DAY")]


def test_an_end_that_was_put_behind_another_and_comes_back_takes_effect():
    steps = (
        place(0, "o", SELL, 2, "stop", trigger=98, tif="GTD", expire_ns=55), trade(5, 100),
        trade(30, 98, v=20),  # triggered: patience ends at 20 + 30, put off by 10
        amend(45, "o", size=3),  # at 48, put off to 58: patience ends at 78, and GTD is the end again
        until(100),
    )  # fmt: skip
    assert ends(paper("touch", entry=3, patience=30), *steps) == [(65, 55, "EXPIRED GTD")]


def test_dropping_the_timers_of_orders_that_are_over_leaves_the_others_in_order():
    market = Market(paper(cancel=9_000), InstrumentTable.from_rows([instrument()]))
    refused = [cancel(5, f"nobody{number}") for number in range(300)]
    ends_ns = {f"o{n}": 20_000 + n * 7_919 % 3_001 for n in range(1_500)}
    placed = [limit(0, name, size=1, tif="GTD", expire_ns=end) for name, end in ends_ns.items()]
    some = [cancel(1, name) for name in list(ends_ns)[::3]]
    market.run([*placed, trade(0, 105), *some, *refused, until(9_001)])
    found = ends_of(market.run([until(30_000)]))
    assert found[500:800] == [(9_005, 9_005, "CANCEL_REFUSED ORDER_OVER")] * 300
    expired = [log_ns for log_ns, _, what in found if what == "EXPIRED GTD"]
    assert expired == sorted(end for n, end in enumerate(ends_ns.values()) if n % 3)
