"""Conditional orders at the paper venue: what triggers them, and what they are then: docs/paper.md 5."""

import pytest

from tapeflow.schemas.sides import BUY, SELL
from tests.venue_market import (
    amend,
    cancel,
    mark,
    outcome,
    paper,
    place,
    quote,
    run_three_ways,
    trade,
    until,
)

MODELS = ("trade", "sized", "touch")
NEAR = quote(1, 99.5, 100.5, 9, 9)
FIRST = trade(11, 100)  # at which the orders of these tests enter


def reports_of(*steps, model="sized", **rules):
    return outcome(paper(model, **rules), NEAR, *steps)


def triggered_by(kind, side, rows, *, model="sized", **terms):
    """Whether an order of this kind is triggered after these rows."""
    steps = place(10, "o", side, 1, kind, **terms), FIRST, *rows
    reports = reports_of(*steps, model=model)
    assert reports[0] == "o ACCEPTED"
    return "o TRIGGERED" in reports


# --- what triggers ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "side", "trigger", "before", "at"),
    [
        ("stop", BUY, 102, 101.5, 102),
        ("stop", SELL, 98, 98.5, 98),
        ("take_profit", BUY, 98, 98.5, 98),
        ("take_profit", SELL, 102, 101.5, 102),
        ("stop_limit", BUY, 102, 101.5, 103),
        ("stop_limit", SELL, 98, 98.5, 97),
        ("take_profit_limit", BUY, 98, 98.5, 97),
        ("take_profit_limit", SELL, 102, 101.5, 103),
    ],
)
@pytest.mark.parametrize("source", ["trade", "quote", "mark"])
@pytest.mark.parametrize("model", MODELS)
def test_an_order_triggers_at_its_price_or_beyond(kind, side, trigger, before, at, source, model):
    def row(log_ns, price):
        if source == "trade":
            return trade(log_ns, price)
        if source == "mark":
            return mark(log_ns, price)
        return quote(log_ns, 90, price) if side == BUY else quote(log_ns, price, 110)

    terms = {"trigger": trigger, "trigger_on": source}
    if kind.endswith("limit"):
        terms["limit"] = 100
    assert not triggered_by(kind, side, [row(12, before)], model=model, **terms)
    assert triggered_by(kind, side, [row(12, before), row(13, at)], model=model, **terms)


@pytest.mark.parametrize("source", ["trade", "quote", "mark"])
def test_an_order_triggers_by_its_own_source_only(source):
    rows = {"trade": trade(12, 50), "quote": quote(12, 50, 51), "mark": mark(12, 50)}
    others = [row for name, row in rows.items() if name != source]
    terms = {"trigger": 60, "trigger_on": source}
    assert not triggered_by("stop", SELL, others, **terms)
    assert triggered_by("stop", SELL, [*others, rows[source]], **terms)


@pytest.mark.parametrize(
    "none", [quote(12, 0, 50), quote(12, float("nan"), 50), quote(12, 60, 50), quote(12, 50, 1e12)]
)
def test_an_empty_side_or_a_quote_that_is_no_market_triggers_nothing(none):
    assert not triggered_by("stop", SELL, [none], trigger=60, trigger_on="quote")


def test_a_mark_price_of_zero_triggers_nothing():
    assert not triggered_by("stop", SELL, [mark(12, 0)], trigger=60, trigger_on="mark")


def test_a_buy_triggers_by_the_ask_and_a_sell_by_the_bid():
    rows = [quote(12, 97, 103)]
    assert triggered_by("stop", BUY, rows, trigger=103, trigger_on="quote")
    assert not triggered_by("stop", BUY, rows, trigger=103.5, trigger_on="quote")
    assert triggered_by("stop", SELL, rows, trigger=97, trigger_on="quote")
    assert not triggered_by("stop", SELL, rows, trigger=96.5, trigger_on="quote")


@pytest.mark.parametrize("model", MODELS)
def test_the_row_at_which_an_order_enters_may_trigger_it(model):
    steps = place(10, "o", SELL, 1, "stop", trigger=98), trade(11, 97)
    assert reports_of(*steps, model=model) == ["o ACCEPTED", "o TRIGGERED"]


def test_an_untriggered_order_enters_at_a_quote_in_every_model():
    for model in MODELS:
        steps = place(10, "o", SELL, 1, "stop", trigger=98, trigger_on="quote"), quote(11, 97, 99)
        assert reports_of(*steps, model=model) == ["o ACCEPTED", "o TRIGGERED"]


def test_a_mark_price_triggers_only_what_has_entered():
    order = place(10, "o", SELL, 1, "stop", trigger=98, trigger_on="mark")
    assert reports_of(order, mark(11, 90)) == []
    assert reports_of(order, mark(11, 90), trade(12, 99)) == ["o ACCEPTED"]
    assert reports_of(order, trade(12, 99), mark(13, 98)) == ["o ACCEPTED", "o TRIGGERED"]


def test_a_row_before_its_arrival_by_the_venues_clock_triggers_nothing():
    rows = [trade(12, 90, v=9)]
    assert not triggered_by("stop", SELL, rows, trigger=98)


def test_a_mark_price_at_or_after_the_end_triggers_nothing():
    order = place(10, "o", SELL, 1, "stop", trigger=98, trigger_on="mark", tif="GTD", expire_ns=15)
    delayed = trade(12, 99, v=10), trade(13, 99, v=11)  # ends at 15 + 2
    assert reports_of(order, *delayed, mark(16, 90, v=14)) == ["o ACCEPTED", "o TRIGGERED"]
    assert reports_of(order, *delayed, mark(16, 90, v=15)) == ["o ACCEPTED"]


# --- what it is then ----------------------------------------------------------------------


def test_a_gap_through_a_stop_fills_at_the_market_and_not_at_the_trigger():
    steps = place(10, "o", SELL, 2, "stop", trigger=98), FIRST, trade(12, 80), trade(13, 79)
    assert reports_of(*steps, model="trade")[2:] == ["o FILL 2 @ 79 TAKER"]
    quoted = [*steps[:-1], quote(13, 81, 82, 9, 9), trade(14, 80)]
    assert reports_of(*quoted, model="touch")[1:] == ["o TRIGGERED", "o FILL 2 @ 81 TAKER"]


def test_a_triggered_order_enters_at_the_next_place_and_not_at_another_row_of_the_same():
    steps = (
        place(10, "o", SELL, 2, "stop", trigger=98),
        FIRST,
        trade(12, 97),
        trade(12, 96, same=True),
        trade(13, 95),
    )
    assert reports_of(*steps, model="trade")[1:] == ["o TRIGGERED", "o FILL 2 @ 95 TAKER"]


def test_a_triggered_order_sees_no_row_that_is_stamped_before_its_trigger():
    steps = (
        place(10, "o", SELL, 2, "stop", trigger=98),
        FIRST,
        trade(20, 97, v=15),
        trade(21, 90, v=14),
        trade(22, 95, v=15),
    )
    assert reports_of(*steps, model="trade")[2:] == ["o FILL 2 @ 95 TAKER"]


def test_a_triggered_limit_order_takes_or_rests_by_its_limit():
    order = place(10, "o", BUY, 2, "stop_limit", trigger=102, limit=103)
    steps = order, FIRST, trade(12, 102)
    takes = [*steps, quote(13, 101, 103, 9, 9), trade(14, 102)]
    assert reports_of(*takes, model="trade")[2:] == ["o FILL 2 @ 102 TAKER"]
    rests = [*steps, trade(13, 104), trade(14, 102.5)]
    assert reports_of(*rests, model="trade")[2:] == ["o FILL 2 @ 103 MAKER"]


def test_a_triggered_order_is_not_accepted_again_nor_checked_for_more_than_three_reasons():
    order = place(10, "o", BUY, 2, "stop_limit", trigger=102, limit=103, post_only=True)
    steps = order, FIRST, trade(12, 102), trade(13, 102)
    assert reports_of(*steps, model="trade") == [
        "o ACCEPTED",
        "o TRIGGERED",
        "o REJECTED WOULD_TAKE",
    ]


def test_triggers_go_by_arrival_then_by_number():
    steps = (
        place(10, "late", SELL, 1, "stop", trigger=95, reduce_only=False), place(10, "later", SELL, 1, "stop", trigger=98),
        FIRST, trade(12, 90),
    )  # fmt: skip
    assert reports_of(*steps)[2:] == ["late TRIGGERED", "later TRIGGERED"]


def test_an_ioc_stop_is_ioc_when_it_is_triggered():
    order = place(10, "o", BUY, 2, "stop", trigger=102, tif="IOC")
    assert outcome(paper(), order, FIRST, trade(12, 102, 9), trade(13, 102, 1)) == [
        "o ACCEPTED", "o TRIGGERED", "o FILL 1 @ 102 TAKER", "o CANCELED IOC_REST",
    ]  # fmt: skip


# --- trailing -----------------------------------------------------------------------------


def trail(side, prices, *, source="trade", **terms):
    """Return the price at which a trailing order of the first price 100 is triggered, else None."""
    rows = [trade(12 + n, price) for n, price in enumerate(prices)]
    steps = NEAR, place(10, "o", side, 1, "trailing", **terms), FIRST, *rows
    market = run_three_ways(paper("trade"), steps)
    found = [report for report in market.reports if report.kind == "TRIGGERED"]
    return prices[found[0].position[0] - 12] if found else None


def test_a_trailing_sell_triggers_a_distance_below_the_best_price():
    assert trail(SELL, [98.5, 104, 102.5, 102], trail=2) == 102
    assert trail(SELL, [98.5, 98], trail=2) == 98


def test_a_trailing_buy_triggers_a_distance_above_the_best_price():
    assert trail(BUY, [101.5, 96, 97.5, 98], trail=2) == 98
    assert trail(BUY, [101.5, 102], trail=2) == 102


def test_the_best_price_never_becomes_worse():
    assert trail(SELL, [104, 103, 102.5, 103.5, 102], trail=2) == 102


def test_a_trail_in_ticks_and_in_basis_points():
    assert trail(SELL, [99.5, 99, 98.5], trail=2, trail_unit="ticks") == 99
    assert trail(SELL, [200, 198.5, 198], trail=100, trail_unit="bps") == 198
    assert trail(BUY, [50, 50.45, 50.5], trail=100, trail_unit="bps") == 50.5


def test_a_trailing_order_begins_at_the_price_of_its_activation():
    assert trail(SELL, [50, 102.5, 103.5, 102, 101.5], trail=2, activate=103) == 101.5
    assert trail(BUY, [150, 97.5, 96.5, 98, 98.5], trail=2, activate=97) == 98.5
    assert trail(SELL, [50, 102.5], trail=2, activate=103) is None
    assert trail(SELL, [103, 101], trail=2, activate=103) == 101, "at it"


@pytest.mark.parametrize("side", [BUY, SELL])
def test_a_trail_is_exact_where_a_float64_is_not(side):
    order = place(10, "o", side, 1, "trailing", trail="0.00000000000000001")
    assert reports_of(order, FIRST, trade(12, 100), trade(13, 100), model="trade") == ["o ACCEPTED"]
    steps = place(10, "o", side, 1, "trailing", trail="0.1"), FIRST, trade(12, 100 + side * 0.1)
    assert reports_of(*steps, model="trade") == ["o ACCEPTED", "o TRIGGERED"]


def test_a_trail_of_nothing_triggers_at_once():
    assert outcome(paper("trade"), place(10, "o", SELL, 1, "trailing", trail=0), FIRST) == [
        "o ACCEPTED",
        "o TRIGGERED",
    ]


def test_a_trailing_order_follows_the_side_of_quotes_that_it_would_meet_and_marks():
    order = place(10, "o", SELL, 1, "trailing", trail=2, trigger_on="quote")
    rows = quote(12, 104, 120), quote(13, 102.5, 103), quote(14, 102, 130)
    assert reports_of(order, FIRST, *rows[:2])[1:] == []
    assert reports_of(order, FIRST, *rows)[1:] == ["o TRIGGERED"]
    by_mark = place(10, "o", BUY, 1, "trailing", trail=2, trigger_on="mark")
    assert reports_of(by_mark, FIRST, mark(12, 96), mark(13, 97.5))[1:] == []
    assert reports_of(by_mark, FIRST, mark(12, 96), mark(13, 98))[1:] == ["o TRIGGERED"]


# --- changes of what waits ----------------------------------------------------------------


def test_an_amended_trigger_counts_from_its_arrival():
    order = place(10, "o", SELL, 1, "stop", trigger=98)
    rules = {"entry": 5, "model": "trade"}
    steps = order, trade(15, 100), amend(16, "o", trigger=95)
    assert reports_of(*steps, trade(20, 98), **rules) == ["o ACCEPTED", "o TRIGGERED"]
    assert reports_of(*steps, trade(21, 98), trade(22, 95.5), **rules) == [
        "o ACCEPTED",
        "o AMENDED",
    ]
    assert reports_of(*steps, trade(21, 95), **rules) == ["o ACCEPTED", "o AMENDED", "o TRIGGERED"]


def test_an_untriggered_order_has_no_patience_and_a_triggered_one_has_it_anew():
    order = place(10, "o", SELL, 1, "stop", trigger=98)
    rules = {"model": "touch", "patience": 50, "age": 1}
    assert reports_of(order, FIRST, until(500), **rules) == ["o ACCEPTED"]
    steps = order, FIRST, trade(200, 98), until(249)
    assert reports_of(*steps, **rules) == ["o ACCEPTED", "o TRIGGERED"]
    assert reports_of(*steps, until(250), **rules)[2:] == ["o EXPIRED NO_MARKET"]


def test_an_untriggered_order_can_be_canceled_and_expires():
    order = place(10, "o", SELL, 1, "stop", trigger=98, tif="GTD", expire_ns=20)
    assert reports_of(order, FIRST, cancel(12, "o"), trade(13, 90)) == ["o ACCEPTED", "o CANCELED"]
    assert reports_of(order, FIRST, trade(20, 90)) == ["o ACCEPTED", "o EXPIRED GTD"]
