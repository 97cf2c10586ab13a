"""The oracle of the paper venue against examples that were worked out by hand from docs/paper.md.

Times are small numbers, `A` the only partition unless said; tick and lot are 1.
"""

import dataclasses
from decimal import Decimal
from fractions import Fraction

import pytest

from tapeflow.schemas.orders import NO_TRADE, Order
from tests.desk_oracle import (
    DAY_NS,
    MINUTE_NS,
    AmendOrder,
    CancelOrder,
    InstrumentRules,
    Mark,
    PlaceOrder,
    Quote,
    Record,
    Rules,
    Trade,
    reports_of,
)

D = Decimal
PLAIN = InstrumentRules("A", D(1), D(1))
LOG = Rules(clock="log", latency_ns=0, patience_ns=None, slip=None)
SIZED, TOUCH = LOG, dataclasses.replace(LOG, model="touch")
TRADE = dataclasses.replace(LOG, model="trade")


def order(order_id, side=1, size=1, kind="market", *, account="a", strategy="s", **terms):
    for name in ("limit", "trigger", "trail", "activate"):
        if name in terms:
            terms[name] = D(str(terms[name]))
    return Order(
        0, order_id, "", account, strategy, "A", side, kind, D(str(size)), D(1), 0, 0, "", 0, **terms
    )  # fmt: skip


def trade(log_ns, price, size=10, *, event_ns=None, trade_id=7):
    return log_ns, Trade(0, event_ns, float(price), float(size), trade_id)


def quote(log_ns, bid, ask, bid_size=10, ask_size=10, *, event_ns=None):
    sizes = float(bid_size), float(ask_size)
    return log_ns, Quote(0, event_ns, float(bid), sizes[0], float(ask), sizes[1])


def mark(log_ns, price):
    return log_ns, Mark(0, float(price))


def beat(log_ns):
    """A record without rows."""
    return log_ns, None


def records(*rows):
    """Return a record for each row."""
    made = []
    for offset, (log_ns, row) in enumerate(rows):
        kinds = (Trade, Quote, Mark)
        made.append(
            Record(log_ns, offset, *([row] if isinstance(row, kind) else [] for kind in kinds))
        )
    return made


def collect_reports(rules, rows, *commands, listed=PLAIN, until_ns=None):
    """Return the reports of commands `(offset of the deciding record, ...)` in short form."""
    log = records(*rows)
    placed = []
    for number, (offset, what, *rest) in enumerate(commands):
        at = (log[offset].log_ns, "A", offset)
        if isinstance(what, Order):
            placed.append(PlaceOrder(at, what, rest[0] if rest else what.size, number))
        elif rest:
            changes = {name: D(str(value)) for name, value in rest[0].items()}
            placed.append(AmendOrder(at, what, **changes))
        else:
            placed.append(CancelOrder(at, what))
    return [short(each) for each in reports_of(rules, [listed], {"A": log}, placed, until_ns)]


def short(report):
    """Return a report as `id KIND @time what`: `@5:` is received before the records of time 5."""
    at = f"@{report.place[0]}" + ("" if report.place[1] else ":")
    if report.kind == "FILL":
        what = f"{report.size} at {report.price} {report.liquidity}"
    elif report.kind == "AMENDED":
        what = f"{report.size}"
    else:
        what = report.reason
    return f"{report.order_id} {report.kind} {at} {what}".rstrip()


# -- 1. clocks -------------------------------------------------------------------------------


def test_a_clock_that_is_ahead_of_ours_leads_for_its_bucket_and_the_next():
    rules = Rules(latency_ns=0, patience_ns=None)
    first, second, third, fourth = 10, MINUTE_NS + 10, 2 * MINUTE_NS + 10, 4 * MINUTE_NS + 10
    rows = [
        trade(first, 5, event_ns=first + 4),  # ahead 4: lead 4, v = 10
        trade(second, 5, event_ns=second - 1),  # lead 4 of the bucket before: v = second - 5
        trade(third, 5, event_ns=third - 1),  # that bucket's ahead was -1, so 0: v = third - 1
        trade(fourth, 5, event_ns=fourth - 2),
    ]
    # an order decided at the first record is at the venue at 10: it sees the second row at once
    assert collect_reports(rules, rows, (0, order("o"))) == [
        f"o ACCEPTED @{second}",
        f"o FILL @{second} 1 at 5 TAKER",
    ]
    # decided at the second (D = second): v of the third is third - 1
    early = dataclasses.replace(rules, latency_ns=MINUTE_NS - 5)
    assert collect_reports(
        early, rows[:2], (0, order("o"))
    ) == [  # A = 10 + 60s - 5 = second - 5 = v
        f"o ACCEPTED @{second}",
        f"o FILL @{second} 1 at 5 TAKER",
    ]
    assert (
        collect_reports(
            dataclasses.replace(early, latency_ns=MINUTE_NS - 4), rows[:2], (0, order("o"))
        )
        == []
    )
    late = dataclasses.replace(
        rules, latency_ns=2 * MINUTE_NS - 1
    )  # A = third - 1 = v of the third
    assert collect_reports(late, rows[:3], (0, order("o")))[:1] == [f"o ACCEPTED @{third}"]
    assert (
        collect_reports(
            dataclasses.replace(rules, latency_ns=2 * MINUTE_NS), rows[:3], (0, order("o"))
        )
        == []
    )


def test_an_order_does_not_see_a_row_that_was_at_the_venue_before_it():
    rules = Rules(latency_ns=2, patience_ns=None)
    rows = [trade(0, 5, event_ns=0), trade(10, 6, event_ns=1), trade(11, 7, event_ns=2)]
    assert collect_reports(rules, rows, (0, order("o"))) == [
        "o ACCEPTED @11",
        "o FILL @11 1 at 7 TAKER",
    ]
    by_log = dataclasses.replace(rules, clock="log")
    assert collect_reports(by_log, rows, (0, order("o")))[-1] == "o FILL @10 1 at 6 TAKER"


def test_a_row_without_event_time_is_as_late_as_the_timed_row_before_it():
    rules = Rules(latency_ns=6, patience_ns=None)
    rows = [trade(0, 5), trade(10, 6, event_ns=5), trade(12, 7), trade(13, 8)]  # v: 0, 5, 7, 8
    assert collect_reports(rules, rows, (0, order("o")))[-1] == "o FILL @12 1 at 7 TAKER"


def test_the_rows_of_one_record_are_trades_then_quotes():
    rules = dataclasses.replace(Rules(patience_ns=None), latency_ns=0)
    # the record at 10 has a trade without event time and a quote with one: the trade goes first
    log = [
        Record(0, 0, [Trade(0, 0, 5.0, 1.0, 1)]),
        Record(10, 1, [Trade(0, None, 6.0, 1.0, 2)], [Quote(0, 4, 5.0, 9.0, 7.0, 9.0)]),
    ]
    place = PlaceOrder((0, "A", 0), order("o"), D(1), 0)
    assert [short(each) for each in reports_of(rules, [PLAIN], {"A": log}, [place])] == [
        "o ACCEPTED @10",
        "o FILL @10 1 at 6 TAKER",
    ]


# -- 2. entry and checks ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (order("o", kind="limit", limit="4.5"), "TICK"),
        (order("o", kind="stop", trigger="4.5"), "TICK"),
        (order("o", kind="trailing", trail=1, activate="4.5"), "TICK"),
        (order("o", size="1.5"), "LOT"),
        (order("o", size=1), "SIZE_MIN"),
        (order("o", size=1, reduce_only=True), "NOTHING_TO_REDUCE"),
        (order("o", size=101), "SIZE_MAX"),
        (order("o", size=9), "NOTIONAL_MIN"),  # 9 x 5 x 2 = 90
        (order("o", size=10), ""),
        (order("o", size=9, kind="limit", limit=6), ""),  # 9 x 6 x 2 = 108
        (order("o", size=9, kind="stop", trigger=6), ""),
        (order("o", size=10, kind="limit", limit=5, post_only=True), "WOULD_TAKE"),
        (order("o", size=13, kind="limit", limit=4, post_only=True), ""),
    ],
)
def test_checks_at_entry(made, reason):
    listed = InstrumentRules("A", D(1), D(1), D(2), False, D(2), D(100), D(100))
    reports = collect_reports(SIZED, [beat(0), trade(1, 5, 1000)], (0, made), listed=listed)
    assert reports[0] == ("o ACCEPTED @1" if not reason else f"o REJECTED @1 {reason}")
    assert not reason or len(reports) == 1


def test_the_minimum_notional_of_an_inverse_contract_is_without_price():
    listed = InstrumentRules("A", D(1), D(1), D(10), True, min_notional=D(20))
    rows = [beat(0), trade(1, 5)]
    assert collect_reports(SIZED, rows, (0, order("o", size=1)), listed=listed) == [
        "o REJECTED @1 NOTIONAL_MIN"
    ]
    assert (
        collect_reports(SIZED, rows, (0, order("o", size=2)), listed=listed)[0] == "o ACCEPTED @1"
    )


def test_orders_enter_by_arrival_then_number():
    rules = dataclasses.replace(SIZED, latency_ns=0, latency_spread_ns=10, slip=None)
    rules = dataclasses.replace(
        rules, draw=lambda name, _: {"x": Fraction(1, 2)}.get(name, Fraction(0))
    )
    rows = [beat(0), trade(9, 5, 2)]
    reports = collect_reports(rules, rows, (0, order("x")), (0, order("y")), (0, order("z")))
    assert [each[:6] for each in reports if "FILL" in each] == ["y FILL", "z FILL"]
    assert [each for each in reports if "ACC" in each] == [
        "y ACCEPTED @9", "z ACCEPTED @9", "x ACCEPTED @9",
    ]  # fmt: skip


def test_a_mark_price_enters_nothing():
    assert collect_reports(SIZED, [beat(0), mark(1, 5)], (0, order("o"))) == []


# -- 3. taking --------------------------------------------------------------------------------


def test_trade_model_fills_many_orders_whole_at_one_trade_and_waits_at_a_quote():
    rows = [beat(0), quote(1, 4, 6), trade(2, 5, 1)]
    assert collect_reports(TRADE, rows, (0, order("x", size=9)), (0, order("y", -1, 8))) == [
        "x ACCEPTED @2", "x FILL @2 9 at 5 TAKER", "y ACCEPTED @2", "y FILL @2 8 at 5 TAKER",
    ]  # fmt: skip


def test_sized_model_takes_trade_after_trade_where_there_is_no_touch():
    rules = dataclasses.replace(SIZED, share=D("0.5"), slip=None)
    rows = [beat(0), trade(1, 5, 7), trade(2, 6, 1), trade(3, 7, 8)]  # 3.5 -> 3, 0.5 -> 0, 4
    assert collect_reports(rules, rows, (0, order("x", size=5)), (0, order("y", size=1))) == [
        "x ACCEPTED @1", "x FILL @1 3 at 5 TAKER", "y ACCEPTED @1",
        "x FILL @3 2 at 7 TAKER", "y FILL @3 1 at 7 TAKER",
    ]  # fmt: skip


def test_what_a_trade_does_not_cover_slips_as_what_the_touch_does_not():
    rows = [beat(0), trade(1, 5, 3)]

    def taken(slip):
        changed = dataclasses.replace(SIZED, slip=slip)
        return collect_reports(changed, rows, (0, order("x", size=5)), (0, order("y", -1, size=2)))[
            1:
        ]

    assert taken(0) == ["x FILL @1 5 at 5 TAKER", "y ACCEPTED @1", "y FILL @1 2 at 5 TAKER"]
    assert taken(1) == [
        "x FILL @1 3 at 5 TAKER", "x FILL @1 2 at 6 TAKER", "y ACCEPTED @1", "y FILL @1 2 at 4 TAKER",
    ]  # fmt: skip


def test_a_later_trade_at_another_price_contradicts_the_touch_until_one_at_a_side_of_it():
    inside = [quote(0, 4, 6), trade(1, 5), trade(3, 5)]
    assert collect_reports(SIZED, inside, (1, order("o")))[1:] == ["o FILL @3 1 at 5 TAKER"]
    again = [quote(0, 4, 6), trade(1, 5), trade(2, 4), trade(3, 5)]
    assert collect_reports(SIZED, again, (2, order("o")))[1:] == ["o FILL @3 1 at 6 TAKER"]


@pytest.mark.parametrize("rules", [SIZED, TOUCH])
def test_a_market_order_takes_the_touch_before_the_row_and_slips_beyond_it(rules):
    rows = [quote(0, 4, 6, ask_size=3), trade(1, 9)]

    def taken(slip):
        changed = dataclasses.replace(rules, slip=slip)
        return collect_reports(changed, rows, (0, order("o", size=5)))

    assert taken(0)[1:] == ["o FILL @1 5 at 6 TAKER"]
    assert taken(2)[1:] == ["o FILL @1 3 at 6 TAKER", "o FILL @1 2 at 8 TAKER"]
    assert taken(None)[1:] == ["o FILL @1 3 at 6 TAKER"]


def test_the_part_beyond_a_trade_slips_as_beyond_a_touch():
    rows = [beat(0), trade(1, 5, 3)]
    for slip, fills in ((0, ["5 at 5"]), (2, ["3 at 5", "2 at 7"]), (None, ["3 at 5"])):
        reports = collect_reports(
            dataclasses.replace(SIZED, slip=slip), rows, (0, order("o", size=5))
        )
        assert reports[1:] == [f"o FILL @1 {fill} TAKER" for fill in fills]


def test_a_touch_has_moved_when_a_later_trade_was_at_neither_of_its_prices():
    for price, taken in ((4, 6), (6, 6), (5, 7)):
        rows = [quote(0, 4, 6), trade(1, price), trade(2, 7)]
        assert collect_reports(SIZED, rows, (1, order("o")))[1] == f"o FILL @2 1 at {taken} TAKER"


def test_what_waits_takes_from_the_next_quote_and_no_quote_is_used_twice():
    rules = dataclasses.replace(SIZED, slip=None)
    rows = [quote(0, 4, 6, ask_size=3), trade(1, 6), trade(2, 6), quote(3, 4, 7, ask_size=3)]
    assert collect_reports(rules, rows, (0, order("x", size=5)), (1, order("y", size=3))) == [
        "x ACCEPTED @1", "x FILL @1 3 at 6 TAKER",
        "y ACCEPTED @2",
        "x FILL @3 2 at 7 TAKER", "y FILL @3 1 at 7 TAKER",
    ]  # fmt: skip


def test_a_limit_order_slips_only_within_its_limit():
    rules = dataclasses.replace(SIZED, slip=2)
    rows = [quote(0, 4, 6, ask_size=3), trade(1, 9)]
    near, far = (order("o", size=5, kind="limit", limit=limit) for limit in (7, 8))
    assert collect_reports(rules, rows, (0, near))[1:] == ["o FILL @1 3 at 6 TAKER"]
    assert collect_reports(rules, rows, (0, far))[1:] == [
        "o FILL @1 3 at 6 TAKER",
        "o FILL @1 2 at 8 TAKER",
    ]


def test_touch_model_never_takes_from_a_trade():
    rows = [beat(0), trade(1, 5), quote(2, 4, 6)]
    assert collect_reports(TOUCH, rows, (0, order("o"))) == [
        "o ACCEPTED @1",
        "o FILL @2 1 at 6 TAKER",
    ]
    limit = order("o", kind="limit", limit=4)
    rows = [beat(0), trade(1, 5), quote(2, 3, 4)]
    assert collect_reports(TOUCH, rows, (0, limit)) == ["o ACCEPTED @1", "o FILL @2 1 at 4 MAKER"]


def test_an_order_stays_on_its_way_at_a_quote_that_has_nothing_for_it():
    rows = [beat(0), quote(1, 4, 0), quote(2, 7, 6), quote(3, 4, 6)]
    for rules in (SIZED, TOUCH):
        assert collect_reports(rules, rows, (0, order("o"))) == [
            "o ACCEPTED @3",
            "o FILL @3 1 at 6 TAKER",
        ]


def test_a_touch_that_is_old_or_absurd_is_not_used():
    old = MINUTE_NS + 1
    assert (
        collect_reports(SIZED, [quote(0, 4, 6), trade(old, 5)], (0, order("o")))[1]
        == f"o FILL @{old} 1 at 5 TAKER"
    )
    assert collect_reports(SIZED, [quote(0, 4, 6), trade(old - 1, 5)], (0, order("o")))[1].endswith(
        "at 6 TAKER"
    )
    rows = [trade(0, 5), quote(1, 4, 51), trade(2, 5)]
    assert collect_reports(SIZED, rows, (1, order("o")))[1] == "o FILL @2 1 at 5 TAKER"
    rows = [trade(0, 5), quote(1, 4, 50), trade(2, 5)]
    assert collect_reports(SIZED, rows, (1, order("o")))[1] == "o FILL @2 1 at 50 TAKER"


def test_fill_or_kill_and_immediate_or_cancel():
    rules = dataclasses.replace(SIZED, slip=None)
    rows = [beat(0), trade(1, 5, 3), trade(2, 5, 9)]
    assert collect_reports(rules, rows, (0, order("o", size=4, tif="FOK"))) == [
        "o ACCEPTED @1", "o CANCELED @1 FOK_SHORT",
    ]  # fmt: skip
    assert collect_reports(rules, rows, (0, order("o", size=4, tif="IOC"))) == [
        "o ACCEPTED @1", "o FILL @1 3 at 5 TAKER", "o CANCELED @1 IOC_REST",
    ]  # fmt: skip
    assert (
        collect_reports(rules, rows, (0, order("o", size=3, tif="FOK")))[1]
        == "o FILL @1 3 at 5 TAKER"
    )
    far = order("o", kind="limit", limit=4, tif="IOC")
    assert collect_reports(rules, rows, (0, far)) == ["o ACCEPTED @1", "o CANCELED @1 IOC_REST"]


def test_patience_ends_what_takes_and_lets_a_limit_order_rest():
    rules = dataclasses.replace(SIZED, latency_ns=2, patience_ns=5, slip=None)
    rows = [beat(0), quote(1, 4, 0), beat(9)]
    assert collect_reports(rules, rows, (0, order("o"))) == ["o EXPIRED @7: NO_MARKET"]
    rows = [beat(0), beat(9), trade(10, 3)]
    limit = order("o", kind="limit", limit=4, post_only=True)
    assert collect_reports(rules, rows, (0, limit)) == ["o ACCEPTED @7:", "o FILL @10 1 at 4 MAKER"]
    rows = [beat(0), trade(7, 3)]  # at a row with v >= 7 it is the same
    assert collect_reports(rules, rows, (0, limit)) == ["o ACCEPTED @7:", "o FILL @7 1 at 4 MAKER"]
    # of an order that waits: the rest of it
    rows = [beat(0), trade(3, 5, 1), beat(9)]
    assert collect_reports(rules, rows, (0, order("o", size=2)))[-1] == "o EXPIRED @7: NO_MARKET"


# -- 4. resting -------------------------------------------------------------------------------


def test_a_resting_order_fills_at_a_trade_through_it_and_not_at_its_price():
    rows = [beat(0), trade(1, 5), trade(2, 4), trade(3, 3, 2), trade(4, 3, 9)]
    limit = order("o", size=5, kind="limit", limit=4)
    assert collect_reports(SIZED, rows, (0, limit))[1:] == [
        "o FILL @3 2 at 4 MAKER",
        "o FILL @4 3 at 4 MAKER",
    ]
    assert collect_reports(TRADE, rows, (0, limit))[1:] == ["o FILL @3 5 at 4 MAKER"]
    sell = order("o", -1, 5, "limit", limit=6)
    rows = [beat(0), trade(1, 5), trade(2, 6), trade(3, 7, 2)]
    assert collect_reports(SIZED, rows, (0, sell))[1:] == ["o FILL @3 2 at 6 MAKER"]


def test_the_better_price_fills_first_and_one_trade_is_used_once():
    rows = [beat(0), trade(1, 9), trade(2, 3, 4)]
    low, high = (order(f"o{limit}", size=3, kind="limit", limit=limit) for limit in (4, 5))
    assert [each for each in collect_reports(SIZED, rows, (0, low), (0, high)) if "FILL" in each] == [
        "o5 FILL @2 3 at 5 MAKER", "o4 FILL @2 1 at 4 MAKER",
    ]  # fmt: skip


def test_touch_model_waits_for_what_is_ahead():
    rules = dataclasses.replace(TOUCH, share=D("0.5"))
    limit = order("o", size=5, kind="limit", limit=4)
    rows = [
        quote(0, 4, 6, bid_size=10),
        trade(1, 6),  # enters; ahead 10
        quote(2, 4, 6, bid_size=8),  # ahead 8
        quote(3, 4, 6, bid_size=20),  # ahead 8
        trade(4, 4, 3),  # ahead 5
        trade(5, 4, 9),  # 4 after what is ahead, half of it: 2
        quote(6, 3, 4, ask_size=4),  # the ask at the limit: 2
        trade(7, 3, 9),  # through: 1
    ]
    assert collect_reports(rules, rows, (0, limit)) == [
        "o ACCEPTED @1",
        "o FILL @5 2 at 4 MAKER",
        "o FILL @6 2 at 4 MAKER",
        "o FILL @7 1 at 4 MAKER",
    ]


def test_what_is_ahead_is_not_known_while_the_touch_is_beyond_the_limit():
    limit = order("o", size=1, kind="limit", limit=4)
    rows = [
        quote(0, 5, 6),
        trade(1, 5),
        trade(2, 4, 99),
        quote(3, 4, 6, bid_size=2),
        trade(4, 4, 3),
    ]
    assert collect_reports(TOUCH, rows, (0, limit)) == ["o ACCEPTED @1", "o FILL @4 1 at 4 MAKER"]
    rows = [quote(0, 5, 6), trade(1, 5), quote(2, 3, 6), trade(3, 4, 1)]  # nobody is at 4
    assert collect_reports(TOUCH, rows, (0, limit)) == ["o ACCEPTED @1", "o FILL @3 1 at 4 MAKER"]


def test_reduce_only_is_clipped_and_the_rest_ends():
    rows = [beat(0), trade(1, 5), beat(2), trade(3, 5)]
    out = order("out", -1, 5, reduce_only=True)
    rest = order("rest", -1, 2, "limit", limit=9, reduce_only=True)
    stop = order("stop", -1, 2, "stop", trigger=1, reduce_only=True)  # it is asked when it enters
    assert collect_reports(SIZED, rows, (0, order("in", size=2)), (2, rest), (2, stop), (2, out))[2:] == [
        "rest ACCEPTED @3", "stop ACCEPTED @3", "out ACCEPTED @3", "out FILL @3 2 at 5 TAKER",
        "rest CANCELED @3 NOTHING_TO_REDUCE", "out CANCELED @3 NOTHING_TO_REDUCE",
    ]  # fmt: skip
    other = order("other", -1, 5, reduce_only=True, strategy="t")
    assert collect_reports(SIZED, rows, (0, order("in", size=2)), (2, other))[2:] == [
        "other REJECTED @3 NOTHING_TO_REDUCE"
    ]


# -- 5. triggers ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "side", "price", "triggers"),
    [
        ("stop", 1, 6, True), ("stop", 1, 5, False), ("stop", -1, 6, True), ("stop", -1, 7, False),
        ("take_profit", 1, 6, True), ("take_profit", 1, 7, False),
        ("take_profit", -1, 6, True), ("take_profit", -1, 5, False),
    ],
)  # fmt: skip
def test_triggers(kind, side, price, triggers):
    rows = [beat(0), trade(1, price), trade(2, 9)]
    reports = collect_reports(SIZED, rows, (0, order("o", side, 1, kind, trigger=6)))
    assert reports[0] == "o ACCEPTED @1"
    assert (reports[1:] == ["o TRIGGERED @1", "o FILL @2 1 at 9 TAKER"]) is triggers
    assert triggers or "o TRIGGERED @1" not in reports


def test_a_stop_limit_rests_when_the_market_jumps_over_it():
    rows = [beat(0), trade(1, 6), trade(2, 9), trade(3, 7), trade(4, 6)]
    stop = order("o", 1, 1, "stop_limit", trigger=6, limit=7)
    assert collect_reports(SIZED, rows, (0, stop)) == [
        "o ACCEPTED @1", "o TRIGGERED @1", "o FILL @4 1 at 7 MAKER",
    ]  # fmt: skip


def test_triggers_by_quote_and_by_mark():
    rows = [beat(0), quote(1, 4, 0), quote(2, 5, 6), trade(3, 9)]
    stop = order("o", 1, 1, "stop", trigger=6, trigger_on="quote")
    assert collect_reports(SIZED, rows, (0, stop))[:2] == ["o ACCEPTED @1", "o TRIGGERED @2"]
    rows = [beat(0), mark(1, 7), trade(2, 9), mark(3, 7), trade(4, 8)]
    stop = order("o", 1, 1, "stop", trigger=6, trigger_on="mark")
    assert collect_reports(SIZED, rows, (0, stop)) == [
        "o ACCEPTED @2", "o TRIGGERED @3", "o FILL @4 1 at 8 TAKER",
    ]  # fmt: skip


def test_a_trailing_stop_follows_the_best_price():
    rows = [
        beat(0),
        trade(1, 90),
        trade(2, 100),
        trade(3, 120),
        trade(4, 111),
        trade(5, 110),
        trade(6, 105),
    ]
    for terms in (
        {"trail": 10},
        {"trail": 10, "trail_unit": "ticks"},
        {"trail": 800, "trail_unit": "bps"},
    ):
        made = order("o", -1, 1, "trailing", activate=100, **terms)
        assert collect_reports(SIZED, rows, (0, made)) == [  # of 800 bps: at 120 - 9.6 = 110.4
            "o ACCEPTED @1", "o TRIGGERED @5", "o FILL @6 1 at 105 TAKER",
        ]  # fmt: skip
    buy = order("o", 1, 1, "trailing", trail=10)
    rows = [beat(0), trade(1, 100), trade(2, 90), trade(3, 99), trade(4, 100), trade(5, 95)]
    assert collect_reports(SIZED, rows, (0, buy))[1:] == [
        "o TRIGGERED @4",
        "o FILL @5 1 at 95 TAKER",
    ]


# -- 6. ends and changes ----------------------------------------------------------------------


def test_a_cancel_ends_an_order_after_its_latency():
    rules = dataclasses.replace(SIZED, cancel_latency_ns=5)
    limit = order("o", size=9, kind="limit", limit=4)
    rows = [beat(0), trade(1, 5), trade(5, 3, 1), trade(6, 3, 1), beat(9)]
    assert collect_reports(rules, rows, (0, limit), (1, "o"), (3, "o")) == [
        "o ACCEPTED @1", "o FILL @5 1 at 4 MAKER", "o CANCELED @6:",
    ]  # fmt: skip
    assert collect_reports(rules, rows, (0, limit), (1, "o"), (3, "o"), until_ns=11)[-1] == (
        "o CANCEL_REFUSED @11: ORDER_OVER"
    )


def test_a_cancel_waits_for_the_delay_of_the_feed():
    rules = Rules(latency_ns=0, patience_ns=None)
    limit = order("o", size=9, kind="limit", limit=4)
    rows = [
        trade(1, 5, event_ns=0),
        trade(11, 5, event_ns=1),
        beat(12),
        trade(13, 3, 1, event_ns=11),
    ]
    # C = 12: what was at the venue before is seen, and 12 is over when the feed has come to it
    assert collect_reports(rules, [*rows, beat(99)], (0, limit), (2, "o")) == [
        "o ACCEPTED @11", "o FILL @13 1 at 4 MAKER", "o CANCELED @22:",  # 12 + delay 10
    ]  # fmt: skip
    assert collect_reports(rules, [*rows, trade(14, 3, 1, event_ns=12)], (0, limit), (2, "o"))[1:] == [
        "o FILL @13 1 at 4 MAKER", "o CANCELED @14",
    ]  # fmt: skip


def test_good_till_date_and_day():
    limit = order("o", kind="limit", limit=4, tif="GTD", expire_ns=3)
    rows = [beat(0), trade(1, 5), trade(3, 3)]
    assert collect_reports(SIZED, rows, (0, limit)) == ["o ACCEPTED @1", "o EXPIRED @3: GTD"]
    limit = order("o", kind="limit", limit=4, tif="DAY")
    rows = [beat(0), trade(1, 5), trade(DAY_NS - 1, 5), trade(DAY_NS, 3)]
    assert collect_reports(SIZED, rows, (0, limit)) == [
        "o ACCEPTED @1",
        f"o EXPIRED @{DAY_NS}: DAY",
    ]


def test_an_amendment_of_the_size_down_keeps_the_place_in_the_queue():
    rows = [beat(0), trade(1, 9), beat(2), trade(3, 3, 4)]
    x, y = (order(name, size=5, kind="limit", limit=4) for name in "xy")
    down = collect_reports(SIZED, rows, (0, x), (0, y), (2, "x", {"size": 3}))
    assert down[2:] == ["x AMENDED @2: 3", "x FILL @3 3 at 4 MAKER", "y FILL @3 1 at 4 MAKER"]
    up = collect_reports(SIZED, rows, (0, x), (0, y), (2, "x", {"size": 6}))
    assert up[2:] == ["x AMENDED @2: 6", "y FILL @3 4 at 4 MAKER"]


def test_an_amendment_to_what_is_filled_ends_the_order():
    rows = [beat(0), trade(1, 5), trade(2, 3, 2), trade(3, 3, 2)]
    limit = order("x", size=5, kind="limit", limit=4)
    assert collect_reports(SIZED, rows, (0, limit), (2, "x", {"size": 2}), (2, "x", {"size": 9}))[2:] == [
        "x AMENDED @2: 2", "x AMEND_REFUSED @2: ORDER_OVER",
    ]  # fmt: skip


def test_an_amended_limit_takes_the_touch_that_is_within_it_but_no_trade():
    limit = order("x", kind="limit", limit=4)
    rows = [quote(0, 4, 7), trade(1, 7), beat(2), trade(3, 9)]
    assert collect_reports(SIZED, rows, (0, limit), (2, "x", {"limit": 7}))[1:] == [
        "x AMENDED @2: 1", "x FILL @3 1 at 7 TAKER",
    ]  # fmt: skip
    rows = [beat(0), trade(1, 9), beat(2), trade(3, 7), trade(4, 6)]
    assert collect_reports(SIZED, rows, (0, limit), (2, "x", {"limit": 7}))[1:] == [
        "x AMENDED @2: 1", "x FILL @4 1 at 7 MAKER",
    ]  # fmt: skip


def test_an_amendment_goes_before_an_end_of_the_same_time():
    limit = order("x", kind="limit", limit=4)
    rows = [beat(0), trade(1, 9), beat(2), beat(3)]
    assert collect_reports(SIZED, rows, (0, limit), (2, "x"), (2, "x", {"size": 7}))[1:] == [
        "x AMENDED @2: 7", "x CANCELED @2:",
    ]  # fmt: skip


# -- 7. self-trade ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("none", ["y ACCEPTED @3", "y FILL @3 1 at 9 TAKER"]),
        ("newest", ["y REJECTED @3 SELF_TRADE"]),
        ("oldest", ["x CANCELED @3 SELF_TRADE", "y ACCEPTED @3", "y FILL @3 1 at 9 TAKER"]),
        ("both", ["x CANCELED @3 SELF_TRADE", "y REJECTED @3 SELF_TRADE"]),
    ],
)
def test_self_trade(policy, expected):
    listed = dataclasses.replace(PLAIN, self_trade=policy)
    rows = [beat(0), trade(1, 9), beat(2), trade(3, 9)]
    x = order("x", kind="limit", limit=4, account="b")
    y = order("y", -1, kind="limit", limit=4)
    reports = collect_reports(SIZED, rows, (0, x), (2, y), listed=listed)
    assert reports == ["x ACCEPTED @1", *expected]
    z = order("y", -1, kind="limit", limit=5)  # does not cross
    assert (
        collect_reports(SIZED, rows, (0, x), (2, z), listed=listed)[-1] == "y FILL @3 1 at 9 TAKER"
    )


# -- 8. hearing -------------------------------------------------------------------------------


def test_an_answer_is_received_after_its_latency_before_the_records_of_that_time():
    rules = dataclasses.replace(SIZED, answer_latency_ns=3)
    rows = [beat(0), trade(1, 5), trade(4, 5)]
    assert collect_reports(rules, rows, (0, order("o"))) == [
        "o ACCEPTED @4:",
        "o FILL @4: 1 at 5 TAKER",
    ]
    late = Rules(
        latency_ns=0, answer_latency_ns=3, patience_ns=None
    )  # the feed is later: at the row
    rows = [trade(0, 5, event_ns=0), trade(9, 5, event_ns=5)]
    assert collect_reports(late, rows, (0, order("o"))) == [
        "o ACCEPTED @9",
        "o FILL @9 1 at 5 TAKER",
    ]


def test_what_happens_at_the_venue_goes_before_answers_of_the_same_time():
    rules = dataclasses.replace(SIZED, answer_latency_ns=3)
    x = order("x", kind="limit", limit=4, tif="GTD", expire_ns=4)
    rows = [beat(0), trade(1, 5), beat(9)]
    assert collect_reports(rules, rows, (0, x)) == ["x ACCEPTED @4:", "x EXPIRED @7: GTD"]


def test_a_fill_from_a_trade_has_its_id_and_one_from_a_touch_has_none():
    for rules, expected in ((SIZED, 7), (TOUCH, NO_TRADE)):
        log = records(beat(0), *([trade(1, 5)] if rules is SIZED else [quote(1, 4, 5)]))
        place = PlaceOrder((0, "A", 0), order("o"), D(1), 0)
        assert reports_of(rules, [PLAIN], {"A": log}, [place])[-1].trade_id == expected
