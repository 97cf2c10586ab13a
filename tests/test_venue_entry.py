"""When an order reaches the paper venue, how it is checked and what it takes: docs/paper.md 2, 3."""

from decimal import Decimal
from fractions import Fraction

import pytest

from tapeflow.operators.desk.venue.rules import Latency, PaperRules, draw_of
from tapeflow.schemas.sides import BUY, SELL
from tests.venue_market import (
    cancel,
    instrument,
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
QUOTING = ("sized", "touch")

# --- what an order sees -------------------------------------------------------------------


@pytest.mark.parametrize(("log_ns", "fills"), [(14, False), (15, True), (16, True)])
def test_an_order_sees_a_row_from_its_arrival_on(log_ns, fills):
    reports = outcome(paper("trade", entry=5), place(10, "o", BUY, 1), trade(log_ns, 100))
    assert reports == (["o ACCEPTED", "o FILL 1 @ 100 TAKER"] if fills else [])


def test_an_order_sees_by_the_time_of_the_venue_and_not_of_the_log():
    steps = place(10, "o", BUY, 1), trade(20, 100, v=9), trade(21, 101, v=10)
    assert outcome(paper("trade"), *steps) == ["o ACCEPTED", "o FILL 1 @ 101 TAKER"]


def test_a_row_that_is_stamped_earlier_than_one_before_it_is_not_seen_after_it():
    steps = place(10, "o", BUY, 1, "limit", limit=100), trade(20, 101, v=12), trade(21, 90, v=9)
    assert outcome(paper("trade"), *steps) == ["o ACCEPTED"]


def test_a_row_before_the_decision_is_not_seen_even_at_the_same_log_time():
    steps = trade(10, 100), place(10, "o", BUY, 1), trade(10, 101)
    assert outcome(paper("trade"), *steps) == ["o ACCEPTED", "o FILL 1 @ 101 TAKER"]


def test_several_orders_enter_at_one_row_by_arrival_then_by_number():
    slow = Latency(0, 1_000)
    steps = *(place(10, f"o{n}", BUY, 1) for n in range(6)), trade(2_000, 100)
    rules = paper("trade", entry=slow)
    order = sorted((rules.latency_ns(f"o{n}", "entry"), n) for n in range(6))
    assert [n for _, n in order] != [*range(6)], "the draw must tell them apart"
    filled = [text for text in outcome(rules, *steps) if "FILL" in text]
    assert filled == [f"o{n} FILL 1 @ 100 TAKER" for _, n in order]


def test_a_mark_price_enters_nothing():
    assert outcome(paper(), place(10, "o", BUY, 1), mark(11, 100)) == []


def test_an_order_sees_no_row_of_another_instrument():
    two = instrument("A-USD.BINANCE"), instrument("B-USD.BINANCE")
    steps = place(10, "o", BUY, 1, i=1), trade(11, 100, i=0), trade(12, 50, i=1)
    assert outcome(paper(), *steps, instruments=two) == ["o ACCEPTED", "o FILL 1 @ 50 TAKER"]


# --- latency ------------------------------------------------------------------------------


def test_a_latency_without_spread_is_constant():
    rules = PaperRules(entry=Latency(7), cancel=Latency(8), answer=Latency(9))
    found = [rules.latency_ns("any", kind) for kind in ("entry", "cancel", "answer")]
    assert found == [7, 8, 9]


def test_a_latency_with_spread_is_drawn_from_the_id_and_the_word():
    rules = PaperRules(entry=Latency(100, 1_000), cancel=Latency(100, 1_000))
    drawn = [rules.latency_ns(f"o{n}", "entry") for n in range(500)]
    assert drawn == [rules.latency_ns(f"o{n}", "entry") for n in range(500)]
    assert 100 <= min(drawn) < 150 and 1_050 < max(drawn) < 1_100
    assert 550 < sum(drawn) / 500 < 650
    assert drawn != [rules.latency_ns(f"o{n}", "cancel") for n in range(500)]


def test_a_draw_is_the_same_on_every_machine():
    assert draw_of("o1", "entry") == Fraction(14561901369280611481, 2**64)


# --- checks at entry ----------------------------------------------------------------------

STRICT = {
    "tick": Decimal("0.5"), "lot": Decimal(2), "multiplier": Decimal(10),
    "min_size": Decimal(4), "max_size": Decimal(20), "min_notional": Decimal(5_000),
}  # fmt: skip


@pytest.mark.parametrize(
    ("size", "terms", "reason"),
    [
        (6, {"kind": "limit", "limit": 100.25}, "TICK"),
        (6, {"kind": "stop", "trigger": 100.25}, "TICK"),
        (6, {"kind": "stop_limit", "trigger": 100.5, "limit": 100.75}, "TICK"),
        (6, {"kind": "trailing", "trail": 0.1, "activate": 99.9}, "TICK"),
        (7, {}, "LOT"),
        (7, {"kind": "limit", "limit": 100.25}, "TICK"),
        (2, {}, "SIZE_MIN"),
        (22, {}, "SIZE_MAX"),
        (4, {}, "NOTIONAL_MIN"),
        (6, {"kind": "limit", "limit": 83}, "NOTIONAL_MIN"),
        (6, {"kind": "limit", "limit": 83.5}, ""),
        (6, {"kind": "stop", "trigger": 83}, "NOTIONAL_MIN"),
        (6, {"kind": "stop_limit", "trigger": 90, "limit": 83}, "NOTIONAL_MIN"),
        (6, {"kind": "stop_limit", "trigger": 80, "limit": 84}, ""),
        (6, {"kind": "trailing", "trail": 0.25}, ""),
        (6, {"reduce_only": True}, "NOTHING_TO_REDUCE"),
        (2, {"reduce_only": True}, "NOTHING_TO_REDUCE"),
        (7, {"reduce_only": True}, "LOT"),
        (20, {}, ""),
    ],
)
@pytest.mark.parametrize("model", MODELS)
def test_an_order_that_breaks_a_rule_of_the_venue_is_rejected(model, size, terms, reason):
    reports = outcome(
        paper(model), place(10, "o", BUY, size, **terms), trade(11, 100, 1_000),
        instruments=[instrument(**STRICT)],
    )  # fmt: skip
    assert reports[0] == (f"o REJECTED {reason}" if reason else "o ACCEPTED")
    assert len(reports) == 1 or not reason


@pytest.mark.parametrize(
    ("before", "row", "accepted"),
    [
        ([quote(1, 99, 124)], trade(11, 126), False),  # the opposite touch
        ([quote(1, 99, 125)], trade(11, 126), True),
        ([quote(1, 99, 0), trade(2, 124)], trade(11, 126), False),  # the last trade before the row
        ([], trade(11, 124), False),  # the row's own
        ([], quote(11, 126, 124.5), None),  # crossed: nothing that it meets
        ([], quote(11, 99, 124), False),
        ([], quote(11, 99, 125), True),
    ],
)
def test_a_market_order_is_valued_by_the_touch_else_the_last_trade_else_the_row(
    before, row, accepted
):
    strict = instrument(min_notional=Decimal(250))
    reports = outcome(paper(), *before, place(10, "o", BUY, 2), row, instruments=[strict])
    first = {True: ["o ACCEPTED"], False: ["o REJECTED NOTIONAL_MIN"], None: []}[accepted]
    assert reports[:1] == first


def test_an_order_that_enters_at_a_quote_without_its_opposite_side_is_valued_by_the_other():
    strict = [instrument(min_notional=Decimal(200))]
    order = place(10, "o", BUY, 2, "trailing", trail=5)
    assert outcome(paper(), order, quote(11, 99.5, 0), instruments=strict) == [
        "o REJECTED NOTIONAL_MIN"
    ]
    assert outcome(paper(), order, quote(11, 100, 0), instruments=strict) == ["o ACCEPTED"]
    assert outcome(paper(), order, quote(11, 0, 0), instruments=strict) == ["o ACCEPTED"], "unknown"


def test_an_inverse_instrument_counts_its_contracts_as_notional():
    inverse = instrument(
        kind="perp", contract="inverse", multiplier=Decimal(10), min_notional=Decimal(30)
    )
    steps = place(10, "low", BUY, 2), place(10, "enough", BUY, 3), trade(11, 10_000, 9)
    reports = outcome(paper(), *steps, instruments=[inverse])
    assert reports[:2] == ["low REJECTED NOTIONAL_MIN", "enough ACCEPTED"]


def test_a_reduce_only_order_is_not_checked_for_its_minima():
    strict = instrument(min_size=Decimal(4), min_notional=Decimal(1_000))
    steps = place(10, "open", BUY, 10), place(11, "dust", SELL, 1, reduce_only=True)
    rows = trade(10, 100, 10), trade(11, 100, 10)
    reports = outcome(paper(), steps[0], rows[0], steps[1], rows[1], instruments=[strict])
    assert reports[2:] == ["dust ACCEPTED", "dust FILL 1 @ 100 TAKER"]


@pytest.mark.parametrize("model", MODELS)
def test_a_reduce_only_order_on_the_side_of_the_position_has_nothing_to_reduce(model):
    steps = (
        place(10, "open", BUY, 2),
        trade(11, 100, 2),
        place(12, "more", BUY, 1, reduce_only=True),
    )
    reports = outcome(
        paper(model), quote(9, 99, 100, 5, 5), *steps, trade(13, 100), quote(13, 99, 100)
    )
    assert "more REJECTED NOTHING_TO_REDUCE" in reports


def test_a_position_is_of_the_strategy_and_not_of_its_account():
    steps = place(10, "open", BUY, 2), trade(11, 100, 2)
    other = place(12, "other", SELL, 1, strategy="reversion", reduce_only=True)
    namesake = place(12, "namesake", SELL, 1, account="second", reduce_only=True)
    reports = outcome(paper(), *steps, other, namesake, trade(13, 100))
    assert reports[2:] == [f"{name} REJECTED NOTHING_TO_REDUCE" for name in ("other", "namesake")]


@pytest.mark.parametrize(
    ("limit", "reason"), [(100.5, ""), (101, "WOULD_TAKE"), (102, "WOULD_TAKE")]
)
@pytest.mark.parametrize("model", QUOTING)
def test_a_post_only_order_that_would_take_from_the_touch_is_rejected(model, limit, reason):
    steps = quote(1, 100, 101), place(10, "o", BUY, 1, "limit", limit=limit, post_only=True)
    reports = outcome(paper(model), *steps, trade(11, 101))
    assert reports == [f"o REJECTED {reason}" if reason else "o ACCEPTED"]


def test_a_post_only_order_that_would_take_from_a_trade_is_rejected():
    steps = place(10, "o", BUY, 1, "limit", limit=100, post_only=True), trade(11, 100)
    assert outcome(paper("trade"), *steps) == ["o REJECTED WOULD_TAKE"]
    assert outcome(paper("sized"), *steps) == ["o REJECTED WOULD_TAKE"]
    reports = outcome(paper("touch"), *steps)
    assert reports == ["o ACCEPTED", "o FILL 1 @ 100 MAKER"], "it takes nothing, and rests at once"


# --- what is met at entry, by model -------------------------------------------------------


def test_a_market_order_fills_whole_at_the_first_trade_in_model_trade():
    steps = place(10, "o", BUY, 5), quote(11, 99, 101), trade(12, 100, 1), trade(13, 90)
    assert outcome(paper("trade"), *steps) == ["o ACCEPTED", "o FILL 5 @ 100 TAKER"]


def test_one_trade_fills_any_number_of_orders_in_model_trade():
    steps = place(10, "o", BUY, 5), place(10, "p", SELL, 7), trade(12, 100, 1)
    assert [text for text in outcome(paper("trade"), *steps) if "FILL" in text] == [
        "o FILL 5 @ 100 TAKER",
        "p FILL 7 @ 100 TAKER",
    ]


def test_sized_takes_from_trade_after_trade_while_there_is_no_touch():
    steps = place(10, "o", BUY, 5), trade(11, 100, 2.5), trade(12, 101, 9)
    assert outcome(paper(), *steps) == [
        "o ACCEPTED",
        "o FILL 2 @ 100 TAKER",
        "o FILL 3 @ 101 TAKER",
    ]


@pytest.mark.parametrize(("side", "price"), [(BUY, 101), (SELL, 99)])
@pytest.mark.parametrize("model", QUOTING)
def test_the_touch_before_the_row_is_met_rather_than_the_row(model, side, price):
    steps = quote(1, 99, 101, 5, 5), place(10, "o", side, 2), trade(11, 100, 9)
    assert outcome(paper(model), *steps) == ["o ACCEPTED", f"o FILL 2 @ {price} TAKER"]


@pytest.mark.parametrize("model", QUOTING)
def test_without_a_touch_a_quote_is_met_itself(model):
    steps = place(10, "o", BUY, 2), quote(11, 99, 101, 5, 5)
    assert outcome(paper(model), *steps) == ["o ACCEPTED", "o FILL 2 @ 101 TAKER"]


@pytest.mark.parametrize("bad", [quote(11, 102, 101), quote(11, 99, 0), quote(11, 99, 2_000, 1, 1)])
@pytest.mark.parametrize("model", QUOTING)
def test_at_a_quote_that_is_no_usable_touch_the_order_stays_on_its_way(model, bad):
    steps = trade(1, 100), place(10, "o", BUY, 1), bad, quote(12, 99, 103)
    assert outcome(paper(model), *steps) == ["o ACCEPTED", "o FILL 1 @ 103 TAKER"]


def test_touch_never_takes_from_a_trade_and_waits_for_a_quote():
    steps = place(10, "o", BUY, 2), trade(11, 100, 9), trade(12, 100, 9), quote(13, 99, 101, 9, 9)
    market = run_three_ways(paper("touch"), steps)
    accepted, filled = market.reports
    assert (accepted.kind, accepted.position[0]) == ("ACCEPTED", 11)
    assert (filled.price, filled.size, filled.position[0]) == (101, 2, 13)


def test_touch_lets_a_limit_order_rest_at_a_trade_without_a_touch():
    steps = place(10, "o", BUY, 2, "limit", limit=105), trade(11, 100, 1), trade(12, 104, 9)
    assert outcome(paper("touch"), *steps) == [
        "o ACCEPTED", "o FILL 1 @ 105 MAKER", "o FILL 1 @ 105 MAKER",
    ]  # fmt: skip


@pytest.mark.parametrize(("age", "price"), [(11, 101), (10, 100)])
def test_a_quote_older_than_quote_age_is_no_touch(age, price):
    steps = quote(1, 99, 101), place(10, "o", BUY, 1), trade(12, 100)
    assert outcome(paper(age=age), *steps)[1:] == [f"o FILL 1 @ {price} TAKER"]


@pytest.mark.parametrize(("ask", "price"), [(1_000, 1_000), (1_000.5, 99)])
def test_a_touch_more_than_ten_times_above_the_last_trade_is_not_usable(ask, price):
    steps = trade(1, 100), quote(2, 99, ask), place(10, "o", BUY, 1), trade(12, 99)
    assert outcome(paper(), *steps)[1:] == [f"o FILL 1 @ {price} TAKER"]


@pytest.mark.parametrize(("bid", "price"), [(10, 10), (9.5, 99)])
def test_a_touch_more_than_ten_times_below_the_last_trade_is_not_usable(bid, price):
    steps = trade(1, 100), quote(2, bid, 101), place(10, "o", SELL, 1), trade(12, 99)
    assert outcome(paper(), *steps)[1:] == [f"o FILL 1 @ {price} TAKER"]


@pytest.mark.parametrize(
    ("later", "fill"),
    [
        ([], 101),
        ([trade(2, 101)], 101),  # at the ask
        ([trade(2, 99)], 101),  # at the bid
        ([trade(2, 100)], 98),  # the touch has moved
        ([trade(2, 100), quote(3, 99, 101)], 101),  # and is seen again
        (
            [quote(3, 99, 101), trade(3, 100), quote(3, 99, 101.5, same=True)],
            101.5,
        ),  # of one record
    ],
)
@pytest.mark.parametrize("first", [[], [trade(1, 100)]])
def test_a_later_trade_at_another_price_shows_that_the_touch_has_moved(first, later, fill):
    steps = *first, quote(1, 99, 101), *later, place(10, "o", BUY, 1), trade(11, 98)
    assert outcome(paper(), *steps)[1:] == [f"o FILL 1 @ {fill} TAKER"]


def test_a_crossed_quote_does_not_become_the_touch():
    steps = quote(1, 99, 101), quote(2, 103, 102), place(10, "o", BUY, 1), trade(12, 99)
    assert outcome(paper(), *steps)[1:] == ["o FILL 1 @ 101 TAKER"]


# --- what is taken ------------------------------------------------------------------------


def test_orders_share_the_size_of_a_trade():
    steps = place(10, "o", BUY, 2), place(10, "p", BUY, 2), trade(11, 100, 3), trade(12, 101, 9)
    assert [text for text in outcome(paper(), *steps) if "FILL" in text] == [
        "o FILL 2 @ 100 TAKER",
        "p FILL 1 @ 100 TAKER",
        "p FILL 1 @ 101 TAKER",
    ]


def test_only_a_share_of_a_trade_is_taken_in_whole_lots():
    steps = place(10, "o", BUY, 9), trade(11, 100, 7)
    assert outcome(paper(share=Decimal("0.5")), *steps)[1:] == ["o FILL 3 @ 100 TAKER"]


SLIPS = [
    (0, None, ["o FILL 5 @ 101 TAKER"]),
    (2, None, ["o FILL 3 @ 101 TAKER", "o FILL 2 @ 102 TAKER"]),
    (2, 101.5, ["o FILL 3 @ 101 TAKER"]),
    (2, 102, ["o FILL 3 @ 101 TAKER", "o FILL 2 @ 102 TAKER"]),
    (None, None, ["o FILL 3 @ 101 TAKER"]),
]


@pytest.mark.parametrize(("slip", "limit", "fills"), SLIPS)
@pytest.mark.parametrize("model", QUOTING)
def test_the_part_beyond_what_the_touch_shows_slips_or_waits(model, slip, limit, fills):
    kind = "market" if limit is None else "limit"
    steps = quote(1, 99, 101, 3, 3.9), place(10, "o", BUY, 5, kind, limit=limit), trade(11, 103)
    assert outcome(paper(model, slip=slip), *steps)[1:] == fills


@pytest.mark.parametrize(
    ("slip", "fills"),
    [
        (0, ["o FILL 5 @ 100 TAKER"]),
        (2, ["o FILL 3 @ 100 TAKER", "o FILL 2 @ 101 TAKER"]),
        (None, ["o FILL 3 @ 100 TAKER"]),
    ],
)
def test_the_part_beyond_the_size_of_a_trade_slips_or_waits(slip, fills):
    steps = place(10, "o", BUY, 5), trade(11, 100, 3.9)
    assert outcome(paper(slip=slip), *steps)[1:] == fills


@pytest.mark.parametrize(("slip", "beyond"), [(0, [2]), (1, [0, 2]), (None, [0])])
def test_a_fill_says_what_of_it_was_not_shown(slip, beyond):
    for row in (trade(11, 101, 3), quote(11, 99, 101, 3, 3)):
        reports = run_three_ways(paper(slip=slip), [place(10, "o", BUY, 5), row]).reports
        assert [report.beyond for report in reports if report.kind == "FILL"] == beyond


def test_what_is_beyond_a_trade_takes_nothing_of_it():
    steps = place(10, "o", BUY, 2), place(10, "p", BUY, 5), trade(11, 100, 3)
    reports = run_three_ways(paper(slip=0), steps).reports
    fills = [(each.size, each.beyond) for each in reports if each.kind == "FILL"]
    assert fills == [(2, 0), (5, 4)]


def test_a_sell_slips_downwards_and_never_to_zero():
    steps = quote(1, 1, 101, 3, 3), place(10, "o", SELL, 5), trade(11, 5)
    assert outcome(paper(slip=1), *steps)[1:] == ["o FILL 3 @ 1 TAKER", "o FILL 2 @ 0.5 TAKER"]
    assert outcome(paper(slip=2), *steps)[1:] == ["o FILL 3 @ 1 TAKER"]


def test_what_our_orders_took_from_a_quote_is_not_shown_again():
    steps = (
        quote(1, 99, 101, 9, 6), place(2, "o", BUY, 3), trade(3, 101), place(4, "p", BUY, 2), trade(5, 99),
        place(6, "q", BUY, 3), trade(7, 101), quote(8, 99, 101, 9, 2.5),
    )  # fmt: skip
    assert [text for text in outcome(paper(slip=None), *steps) if "FILL" in text] == [
        "o FILL 3 @ 101 TAKER",
        "p FILL 2 @ 101 TAKER",
        "q FILL 1 @ 101 TAKER",
        "q FILL 2 @ 101 TAKER",
    ]


def test_the_two_sides_of_a_quote_are_taken_apart():
    steps = quote(1, 99, 101, 2, 2), place(2, "o", BUY, 2), place(2, "p", SELL, 2), trade(3, 100)
    assert "p FILL 2 @ 99 TAKER" in outcome(paper(slip=None), *steps)


def test_two_quotes_of_one_record_are_two_quotes():
    steps = (
        place(2, "o", BUY, 5), quote(3, 99, 101, 1, 2), quote(3, 99, 101, 1, 2, same=True, row=1),
    )  # fmt: skip
    assert outcome(paper(slip=None), *steps)[1:] == ["o FILL 2 @ 101 TAKER"] * 2


@pytest.mark.parametrize("size", [float("nan"), 0, float("inf")])
def test_a_quote_without_a_size_shows_nothing(size):
    steps = quote(1, 99, 101, 1, size), place(2, "o", BUY, 2), trade(3, 100)
    assert outcome(paper(slip=None), *steps) == ["o ACCEPTED"]
    assert outcome(paper(slip=1), *steps)[1:] == ["o FILL 2 @ 101.5 TAKER"]


@pytest.mark.parametrize(
    ("tif", "rest"), [("GTC", []), ("IOC", ["o CANCELED IOC_REST"]), ("FOK", None)]
)
@pytest.mark.parametrize("kind", ["market", "limit"])
def test_what_is_not_filled_at_entry_ends_by_its_time_in_force(kind, tif, rest):
    terms = {"limit": 100} if kind == "limit" else {}
    steps = place(10, "o", BUY, 3, kind, tif=tif, **terms), trade(11, 100, 2)
    expected = ["o CANCELED FOK_SHORT"] if rest is None else ["o FILL 2 @ 100 TAKER", *rest]
    assert outcome(paper(), *steps) == ["o ACCEPTED", *expected]


def test_a_fok_that_can_be_filled_whole_is_filled():
    steps = place(10, "o", BUY, 3, tif="FOK"), trade(11, 100, 3)
    assert outcome(paper(), *steps) == ["o ACCEPTED", "o FILL 3 @ 100 TAKER"]


@pytest.mark.parametrize(("slip", "filled"), [(0, True), (1, True), (None, False)])
def test_a_fok_counts_the_part_beyond_the_touch_where_it_slips(slip, filled):
    steps = quote(1, 99, 101, 1, 1), place(10, "o", BUY, 3, tif="FOK"), trade(11, 100, 3)
    reports = outcome(paper(slip=slip), *steps)
    assert (reports[-1] == "o CANCELED FOK_SHORT") is not filled


def test_a_short_fok_leaves_the_trade_to_others():
    steps = place(10, "o", BUY, 3, tif="FOK"), place(10, "p", BUY, 2), trade(11, 100, 2)
    assert outcome(paper(), *steps)[2:] == ["p ACCEPTED", "p FILL 2 @ 100 TAKER"]


@pytest.mark.parametrize(("tif", "reason"), [("IOC", "IOC_REST"), ("FOK", "FOK_SHORT")])
@pytest.mark.parametrize("model", MODELS)
def test_an_order_that_may_not_rest_ends_at_entry_where_its_limit_is_not_met(model, tif, reason):
    steps = place(10, "o", BUY, 3, "limit", limit=99, tif=tif), trade(11, 100, 2), trade(12, 98)
    assert outcome(paper(model), *steps) == ["o ACCEPTED", f"o CANCELED {reason}"]


def test_an_ioc_that_meets_nothing_ends_rather_than_waits():
    steps = place(10, "o", BUY, 3, tif="IOC"), trade(11, 100, 2)
    assert outcome(paper("touch"), *steps) == ["o ACCEPTED", "o CANCELED IOC_REST"]


def test_the_rest_of_a_limit_order_that_took_rests():
    steps = place(10, "o", BUY, 3, "limit", limit=100), trade(11, 100, 2), trade(12, 99.5, 9)
    assert outcome(paper(), *steps)[1:] == ["o FILL 2 @ 100 TAKER", "o FILL 1 @ 100 MAKER"]


# --- market orders that wait --------------------------------------------------------------


def test_a_waiting_order_of_sized_takes_from_quotes_but_from_no_trade_beside_a_usable_touch():
    steps = (
        quote(1, 99, 101, 1, 1), place(2, "o", BUY, 5), trade(3, 101, 9), trade(4, 101, 9),
        quote(5, 99, 102, 1, 2), quote(6, 0, 0), trade(7, 103, 1),
    )  # fmt: skip
    assert outcome(paper(slip=None), *steps)[1:] == [
        "o FILL 1 @ 101 TAKER", "o FILL 2 @ 102 TAKER", "o FILL 1 @ 103 TAKER",
    ]  # fmt: skip


def test_a_waiting_order_takes_only_at_rows_later_than_that_at_which_it_entered():
    steps = (
        quote(1, 99, 101, 1, 1),
        place(2, "o", BUY, 3),
        quote(3, 99, 102, 1, 1),
        quote(4, 99, 103, 1, 1),
    )
    assert outcome(paper(slip=None), *steps)[1:] == ["o FILL 1 @ 101 TAKER", "o FILL 1 @ 103 TAKER"]


def test_waiting_orders_take_by_arrival_then_by_number_and_before_resting_ones_fill():
    steps = (
        place(10, "rest", BUY, 9, "limit", limit=99.5), place(10, "o", BUY, 2), place(10, "p", BUY, 2),
        trade(11, 100, 1), trade(12, 99, 4),
    )  # fmt: skip
    assert [text for text in outcome(paper(), *steps) if "FILL" in text] == [
        "o FILL 1 @ 100 TAKER", "o FILL 1 @ 99 TAKER", "p FILL 2 @ 99 TAKER", "rest FILL 1 @ 99.5 MAKER",
    ]  # fmt: skip


def test_a_row_that_is_stamped_before_a_waiting_order_fills_nothing_of_it():
    steps = (
        place(10, "o", BUY, 3),
        trade(20, 100, 1, v=12),
        trade(21, 90, 1, v=9),
        trade(22, 101, 1, v=13),
    )
    assert outcome(paper(), *steps)[1:] == ["o FILL 1 @ 100 TAKER", "o FILL 1 @ 101 TAKER"]


def test_orders_on_their_way_are_met_by_nothing_before_the_venue_has_them():
    steps = place(10, "o", BUY, 3), cancel(11, "o"), until(30)
    assert outcome(paper(entry=20), *steps) == ["o CANCELED"]
