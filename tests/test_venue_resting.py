"""Resting limit orders at the paper venue: when they fill, and how much: docs/paper.md 4."""

from decimal import Decimal

import pytest

from tapeflow.schemas.sides import BUY, SELL
from tests.venue_market import (
    amend,
    cancel,
    instrument,
    outcome,
    paper,
    place,
    quote,
    run_three_ways,
    trade,
)

MODELS = ("trade", "sized", "touch")
CROSSING = ("sized", "trade")
FAR = quote(1, 90, 110, 9, 9)  # a touch that no order of these tests meets


def fills(rules, *steps, instruments=()):
    reports = outcome(rules, *steps, instruments=instruments)
    return [text.replace("FILL ", "") for text in reports if "FILL" in text]


# --- a trade beyond the limit -------------------------------------------------------------


@pytest.mark.parametrize(("side", "at", "beyond"), [(BUY, 100, 99.9), (SELL, 100, 100.1)])
@pytest.mark.parametrize("model", CROSSING)
def test_a_resting_order_fills_strictly_beyond_its_limit_and_at_its_limit(model, side, at, beyond):
    away = 100 + side
    steps = place(10, "o", side, 2, "limit", limit=100), trade(11, away), trade(12, at, 9)
    assert fills(paper(model), *steps) == []
    assert fills(paper(model), *steps, trade(13, beyond, 9)) == ["o 2 @ 100 MAKER"]


def test_trade_fills_a_resting_order_whole_and_sized_by_what_the_trade_has():
    steps = (
        place(10, "o", BUY, 5, "limit", limit=100),
        trade(11, 101),
        trade(12, 99, 2),
        trade(13, 98, 9),
    )
    assert fills(paper("trade"), *steps) == ["o 5 @ 100 MAKER"]
    for model in ("sized", "touch"):
        assert fills(paper(model), *steps) == ["o 2 @ 100 MAKER", "o 3 @ 100 MAKER"]


def test_a_trade_goes_to_the_better_limit_first_then_to_the_earlier_arrival():
    steps = (
        FAR, place(10, "low", BUY, 1, "limit", limit=99), place(11, "high", BUY, 1, "limit", limit=100),
        place(12, "later", BUY, 1, "limit", limit=100), trade(13, 101), trade(14, 98, 2),
    )  # fmt: skip
    assert fills(paper(), *steps) == ["high 1 @ 100 MAKER", "later 1 @ 100 MAKER"]


def test_sells_fill_the_lower_limit_first():
    steps = (
        FAR, place(10, "high", SELL, 1, "limit", limit=102), place(11, "low", SELL, 1, "limit", limit=101),
        trade(13, 100), trade(14, 103, 1),
    )  # fmt: skip
    assert fills(paper(), *steps) == ["low 1 @ 101 MAKER"]


def test_buys_fill_before_sells_where_a_trade_goes_through_both():
    steps = (
        FAR, place(10, "s", SELL, 1, "limit", limit=99), place(10, "b", BUY, 1, "limit", limit=101),
        trade(14, 100, 1), trade(15, 100, 5),
    )  # fmt: skip
    assert fills(paper(), *steps) == ["b 1 @ 101 MAKER", "s 1 @ 99 MAKER"]


def test_a_resting_order_gets_only_what_takers_leave_of_a_trade():
    steps = (
        place(10, "rest", BUY, 5, "limit", limit=100), trade(11, 101), place(12, "taker", BUY, 2),
        trade(13, 99, 3),
    )  # fmt: skip
    assert fills(paper(), *steps) == ["taker 2 @ 99 TAKER", "rest 1 @ 100 MAKER"]


def test_a_share_of_a_trade_fills_in_whole_lots():
    half = paper(share=Decimal("0.5"))
    steps = place(10, "o", BUY, 5, "limit", limit=100), trade(11, 101), trade(12, 99, 5)
    assert fills(half, *steps) == ["o 2 @ 100 MAKER"]


def test_an_order_that_enters_at_a_trade_through_its_limit_fills_at_once_as_a_maker_of_touch():
    steps = place(10, "o", BUY, 1, "limit", limit=100), trade(11, 99)
    assert fills(paper("touch"), *steps) == ["o 1 @ 100 MAKER"]
    assert fills(paper("sized"), *steps) == ["o 1 @ 99 TAKER"]


@pytest.mark.parametrize("model", ["trade", "sized"])
def test_a_quote_fills_nothing_that_rests_but_in_touch(model):
    steps = FAR, place(10, "o", BUY, 1, "limit", limit=100), trade(11, 105), quote(12, 98, 99, 9, 9)
    assert fills(paper(model), *steps) == []


# --- the queue, model touch ---------------------------------------------------------------


def resting(*rows, size=3, bid=100, bid_size=5, model="touch", **rules):
    """Fills of a buy at 100 that entered with 5 ahead."""
    first = quote(1, bid, 110, bid_size, 9), place(10, "o", BUY, size, "limit", limit=100)
    return fills(paper(model, **rules), *first, trade(11, 105), *rows)


def test_at_the_limit_what_is_ahead_fills_first():
    rows = trade(12, 100, 3), trade(13, 100, 3), trade(14, 100, 9)
    assert resting(*rows) == ["o 1 @ 100 MAKER", "o 2 @ 100 MAKER"]


def test_ahead_is_not_times_share_but_the_rest_of_the_trade_is():
    assert resting(trade(12, 100, 9), share=Decimal("0.5")) == ["o 2 @ 100 MAKER"]


def test_a_sell_has_the_size_at_the_ask_ahead():
    steps = quote(1, 90, 100, 9, 5), place(10, "o", SELL, 3, "limit", limit=100)
    rows = trade(11, 95), trade(12, 100, 5), trade(13, 100, 1)
    assert fills(paper("touch"), *steps, *rows) == ["o 1 @ 100 MAKER"]


def test_before_a_touch_that_is_behind_the_limit_nothing_is_ahead():
    assert resting(trade(12, 100, 2), bid=99) == ["o 2 @ 100 MAKER"]


def test_without_a_touch_nothing_is_ahead():
    steps = place(10, "o", BUY, 3, "limit", limit=100), trade(11, 105), trade(12, 100, 2)
    assert fills(paper("touch"), *steps) == ["o 2 @ 100 MAKER"]


@pytest.mark.parametrize(
    ("before", "filled"),
    [
        ([quote(1, 0, 110)], 2),  # nobody bids
        ([quote(1, 101, 100)], 2),  # no quote of a market
        ([trade(1, 100), quote(2, 9, 110)], 0),  # absurd
        ([quote(1, 99, 110), trade(2, 100.5)], 0),  # moved
        ([quote(1, 99, 110)], 2),
    ],
)
def test_where_a_touch_is_there_but_not_usable_it_is_not_known_what_is_ahead(before, filled):
    steps = *before, place(10, "o", BUY, 3, "limit", limit=100), trade(11, 105), trade(12, 100, 2)
    expected = [f"o {filled} @ 100 MAKER"] if filled else []
    assert fills(paper("touch"), *steps) == expected
    assert (
        fills(paper("touch"), *steps, quote(13, 99, 110), trade(14, 100, 1))[-1]
        == "o 1 @ 100 MAKER"
    )


def test_an_old_touch_does_not_tell_what_is_ahead():
    steps = (
        quote(1, 99, 110),
        place(10, "o", BUY, 3, "limit", limit=100),
        trade(11, 105),
        trade(12, 100, 2),
    )
    assert fills(paper("touch", age=10), *steps) == ["o 2 @ 100 MAKER"]
    assert fills(paper("touch", age=9), *steps) == []


def test_behind_the_touch_it_is_not_known_what_is_ahead_until_a_quote_shows_it():
    assert resting(trade(12, 100, 50), bid=101) == []
    rows = quote(12, 100, 110, 4, 9), trade(13, 100, 6)
    assert resting(*rows, bid=101) == ["o 2 @ 100 MAKER"]
    assert resting(quote(12, 99, 110, 4, 9), trade(13, 100, 6), bid=101) == ["o 3 @ 100 MAKER"]
    assert resting(quote(12, 100.5, 110, 4, 9), trade(13, 100, 60), bid=101) == []


def test_a_quote_at_the_limit_makes_ahead_less_but_never_more():
    assert resting(quote(12, 100, 110, 2, 9), trade(13, 100, 3)) == ["o 1 @ 100 MAKER"]
    assert resting(quote(12, 100, 110, 50, 9), trade(13, 100, 6)) == ["o 1 @ 100 MAKER"]


def test_a_quote_behind_the_limit_leaves_nothing_ahead():
    assert resting(quote(12, 99.5, 110, 9, 9), trade(13, 100, 1)) == ["o 1 @ 100 MAKER"]


def test_a_quote_beyond_the_limit_leaves_ahead_as_it_was():
    assert resting(quote(12, 100.5, 110, 1, 9), trade(13, 100, 6)) == ["o 1 @ 100 MAKER"]


@pytest.mark.parametrize(
    "unusable", [quote(12, 0, 110, 9, 9), quote(12, 9, 110, 9, 9), quote(12, 111, 110)]
)
def test_a_quote_without_a_usable_side_says_nothing_of_what_is_ahead(unusable):
    assert resting(unusable, trade(13, 100, 6)) == ["o 1 @ 100 MAKER"]


def test_a_trade_beyond_the_limit_fills_whatever_is_ahead_and_leaves_nothing_ahead():
    rows = trade(12, 99.5, 1), trade(13, 100, 1)
    assert resting(*rows) == ["o 1 @ 100 MAKER"] * 2
    assert resting(*rows, bid=101) == ["o 1 @ 100 MAKER"] * 2


def test_two_orders_at_one_limit_do_not_get_the_same_part_of_a_trade():
    first = quote(1, 100, 110, 3, 9), place(10, "o", BUY, 2, "limit", limit=100)
    second = trade(11, 105), quote(12, 100, 110, 5, 9), place(13, "p", BUY, 9, "limit", limit=100)
    rows = trade(14, 105), trade(15, 100, 10)
    #  3 ahead of o, 5 of p: of 10, o gets 2 and p 10 - 5 - 2
    assert fills(paper("touch"), *first, *second, *rows) == ["o 2 @ 100 MAKER", "p 3 @ 100 MAKER"]


def test_the_quote_at_which_an_order_enters_tells_what_is_ahead_where_no_touch_does():
    steps = place(10, "o", BUY, 3, "limit", limit=100), quote(11, 100, 110, 4, 9), trade(12, 100, 5)
    assert fills(paper("touch"), *steps) == ["o 1 @ 100 MAKER"]


def test_the_quote_at_which_an_order_enters_may_make_ahead_less():
    steps = (
        quote(1, 100, 110, 4, 9), place(10, "o", BUY, 3, "limit", limit=100),
        quote(11, 100, 110, 2, 9), trade(12, 100, 3),
    )  # fmt: skip
    assert fills(paper("touch"), *steps) == ["o 1 @ 100 MAKER"]


def test_a_trade_that_an_order_does_not_see_leaves_its_queue():
    assert resting(trade(12, 100, 4, v=9), trade(13, 100, 6)) == ["o 1 @ 100 MAKER"]


# --- the opposite touch, model touch ------------------------------------------------------


@pytest.mark.parametrize(("ask", "size"), [(100.5, 0), (100, 2), (99, 2)])
def test_a_quote_whose_ask_reaches_the_limit_fills_what_it_shows(ask, size):
    expected = [f"o {size} @ 100 MAKER"] if size else []
    assert resting(quote(12, 98, ask, 1, 2)) == expected


def test_a_sell_fills_at_a_quote_whose_bid_reaches_the_limit():
    steps = (
        FAR,
        place(10, "o", SELL, 3, "limit", limit=100),
        trade(11, 95),
        quote(12, 100, 101, 2, 9),
    )
    assert fills(paper("touch"), *steps) == ["o 2 @ 100 MAKER"]


def test_orders_share_what_a_quote_shows_by_priority():
    steps = (
        FAR, place(10, "low", BUY, 2, "limit", limit=99), place(10, "high", BUY, 2, "limit", limit=100),
        trade(11, 105), quote(12, 98, 99, 1, 3),
    )  # fmt: skip
    assert fills(paper("touch"), *steps) == ["high 2 @ 100 MAKER", "low 1 @ 99 MAKER"]


def test_an_absurd_quote_fills_nothing():
    assert resting(quote(12, 9, 9.5, 9, 9)) == []


# --- reduce-only --------------------------------------------------------------------------

OPEN = (
    quote(1, 99, 100, 9, 9), place(2, "open", BUY, 4), trade(3, 99.5),
    quote(4, 90, 110, 9, 9),
)  # fmt: skip


def test_a_reduce_only_fill_is_clipped_and_the_rest_ends():
    steps = (
        *OPEN,
        place(10, "exit", SELL, 9, "limit", limit=100, reduce_only=True),
        trade(11, 95),
        trade(12, 101, 50),
    )
    assert outcome(paper(), *steps)[2:] == [
        "exit ACCEPTED", "exit FILL 4 @ 100 MAKER", "exit CANCELED NOTHING_TO_REDUCE",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("tif", "end"), [("GTC", "NOTHING_TO_REDUCE"), ("IOC", "IOC_REST"), ("FOK", "FOK_SHORT")]
)
def test_a_reduce_only_market_order_is_clipped_at_entry(tif, end):
    steps = *OPEN, place(10, "exit", SELL, 9, reduce_only=True, tif=tif), trade(11, 95)
    filled = ["exit FILL 4 @ 90 TAKER"] if tif != "FOK" else []
    assert outcome(paper(), *steps)[2:] == ["exit ACCEPTED", *filled, f"exit CANCELED {end}"]


def test_other_reduce_only_orders_end_where_nothing_is_left_in_the_order_of_numbers():
    exits = [
        place(10 + n, f"exit{n}", SELL, 4, "limit", limit=100 - n, reduce_only=True)
        for n in range(3)
    ]
    steps = *OPEN, *exits, trade(15, 95), trade(16, 98.5, 50)
    assert outcome(paper(), *steps)[5:] == [
        "exit2 FILL 4 @ 98 MAKER", "exit0 CANCELED NOTHING_TO_REDUCE", "exit1 CANCELED NOTHING_TO_REDUCE",
    ]  # fmt: skip


def test_a_fill_of_an_order_that_is_not_reduce_only_ends_them_too():
    exit_order = place(10, "exit", SELL, 4, "limit", limit=105, reduce_only=True)
    steps = *OPEN, exit_order, trade(11, 90), place(12, "flip", SELL, 6), trade(13, 90)
    assert outcome(paper(), *steps)[3:] == [
        "flip ACCEPTED", "flip FILL 6 @ 90 TAKER", "exit CANCELED NOTHING_TO_REDUCE",
    ]  # fmt: skip


def test_an_untriggered_reduce_only_order_stays_and_is_checked_when_it_enters():
    stop = place(10, "stop", SELL, 4, "stop", trigger=80, reduce_only=True)
    steps = (
        *OPEN,
        stop,
        trade(11, 90),
        place(12, "close", SELL, 4),
        trade(13, 90),
        trade(14, 80),
        trade(15, 80),
    )
    assert outcome(paper(), *steps)[2:] == [
        "stop ACCEPTED", "close ACCEPTED", "close FILL 4 @ 90 TAKER",
        "stop TRIGGERED", "stop REJECTED NOTHING_TO_REDUCE",
    ]  # fmt: skip


def test_a_waiting_reduce_only_order_ends_where_nothing_is_left():
    steps = (
        *OPEN, quote(9, 90, 110, 1, 1), place(10, "exit", SELL, 4, reduce_only=True), trade(11, 90),
        place(12, "close", SELL, 3, "limit", limit=96), trade(13, 90), trade(14, 97, 9),
    )  # fmt: skip
    assert outcome(paper(slip=None), *steps)[2:] == [
        "exit ACCEPTED", "exit FILL 1 @ 90 TAKER", "close ACCEPTED",
        "close FILL 3 @ 96 MAKER", "exit CANCELED NOTHING_TO_REDUCE",
    ]  # fmt: skip


# --- self-trade ---------------------------------------------------------------------------

CROSS = (
    FAR, place(10, "far", SELL, 1, "limit", limit=104), place(10, "b", SELL, 1, "limit", limit=102, account="second"),
    place(10, "a", SELL, 1, "limit", limit=101), place(10, "same", BUY, 1, "limit", limit=91), trade(11, 95),
    quote(12, 90, 102.5, 9, 9),
)  # fmt: skip


@pytest.mark.parametrize(
    ("rule", "after"),
    [
        ("none", ["o ACCEPTED", "o FILL 1 @ 102.5 TAKER"]),
        ("newest", ["o REJECTED SELF_TRADE"]),
        (
            "oldest",
            [
                "a CANCELED SELF_TRADE",
                "b CANCELED SELF_TRADE",
                "o ACCEPTED",
                "o FILL 1 @ 102.5 TAKER",
            ],
        ),
        ("both", ["a CANCELED SELF_TRADE", "b CANCELED SELF_TRADE", "o REJECTED SELF_TRADE"]),
    ],
)
def test_an_order_that_would_cross_our_own_is_treated_as_the_venue_does(rule, after):
    steps = *CROSS, place(13, "o", BUY, 1, "limit", limit=103), trade(14, 95)
    assert outcome(paper(), *steps, instruments=[instrument(self_trade=rule)])[4:] == after


def test_a_market_order_crosses_every_opposite_order():
    steps = *CROSS, place(13, "o", BUY, 1), trade(14, 95)
    reports = outcome(paper(), *steps, instruments=[instrument(self_trade="both")])
    assert reports[4:] == [
        *(f"{name} CANCELED SELF_TRADE" for name in ("a", "b", "far")),
        "o REJECTED SELF_TRADE",
    ]


def test_an_order_that_rests_crosses_nothing():
    steps = *CROSS, place(13, "o", BUY, 1, "limit", limit=102), trade(14, 95)
    reports = outcome(paper(), *steps, instruments=[instrument(self_trade="both")])
    assert reports[4:] == ["o ACCEPTED", "o FILL 1 @ 102 MAKER"]


def test_a_triggered_order_is_checked_for_self_trade():
    steps = *CROSS, place(13, "o", BUY, 1, "stop", trigger=96), trade(14, 96), trade(15, 96)
    reports = outcome(paper(), *steps, instruments=[instrument(self_trade="newest")])
    assert reports[4:] == ["o ACCEPTED", "o TRIGGERED", "o REJECTED SELF_TRADE"]


# --- what is over, what is changed ----------------------------------------------------------


def test_an_order_that_is_over_is_met_no_more():
    steps = (
        FAR,
        place(10, "o", BUY, 5, "limit", limit=100),
        trade(11, 105),
        cancel(12, "o"),
        trade(13, 90, 99),
    )
    assert outcome(paper(), *steps) == ["o ACCEPTED", "o CANCELED"]
    market = run_three_ways(paper(), steps)
    assert market.venue.orders == {} and market.venue.next_due() is None


def test_an_amended_limit_counts_from_its_arrival():
    steps = (
        FAR,
        place(10, "o", BUY, 5, "limit", limit=90),
        trade(11, 105),
        amend(12, "o", limit=100),
        trade(13, 95, 9),
    )
    assert fills(paper(), *steps) == ["o 5 @ 100 MAKER"]
