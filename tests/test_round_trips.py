"""The views of round trips: against loops over the fills, and against the positions."""

from collections import defaultdict
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapeflow.schemas.accounts import Funding, Position
from tapeflow.schemas.orders import Fill, Order
from tapeflow.schemas.sides import BUY, SELL
from tapeflow.schemas.states import StateChange
from tests.trip_oracle import average, trips_of
from tests.view_facts import BEGIN, INVERSE, QUANTO, SPOT, TABLE, Book, S, Views

D = Decimal
OWNERS = [
    (account, strategy, instrument)
    for account in ("main", "more")
    for strategy in ("fast", "slow")
    for instrument in (SPOT, INVERSE, QUANTO)
]
FILLS = st.lists(
    st.tuples(
        st.sampled_from(OWNERS),
        st.sampled_from([BUY, SELL]),
        st.integers(1, 4),  # small, so that positions become flat and turn
        st.integers(90, 110),
        st.integers(-1, 9),
    ),
    max_size=60,
)
MAIN = ("main", "fast", SPOT)


@pytest.fixture(scope="module")
def views(tmp_path_factory):
    return Views(tmp_path_factory.mktemp("views"))


def booked(drawn):
    book = Book()
    for number, (owner, side, size, price, fee) in enumerate(drawn):
        book.fill(owner, side, size, f"{price}.5", f"0.0{fee}" if fee >= 0 else "-0.01", number * S)
    return book


def by_owner(rows):
    found = defaultdict(list)
    for row in rows:
        found[row["account"], row["strategy"], row["instrument"]].append(row)
    return found


def close_to(value):
    return None if value is None else pytest.approx(float(value), rel=1e-9, abs=2e-7)


@settings(max_examples=25, deadline=None)
@given(FILLS)
def test_trips_are_those_of_a_loop_over_the_fills(views, drawn):
    book = booked(drawn)
    with views.holding(book.facts):
        found = by_owner(views.rows("FROM round_trips"))
    fills = book.rows(Fill)
    for owner in OWNERS:
        row = TABLE.get(owner[2])
        own = [f for f in fills if (f.account, f.strategy, f.instrument) == owner]
        trips = trips_of(row, own)
        assert len(found[owner]) == len(trips)
        for shown, trip in zip(found[owner], trips, strict=True):
            ended = trip.held == 0
            assert shown["number"] == trip.number
            assert shown["side"] == ("LONG" if trip.sign > 0 else "SHORT")
            assert shown["size"] == trip.largest
            assert shown["fills"] == trip.fills
            assert shown["entry_fill_id"] == trip.first.id
            assert shown["exit_fill_id"] == (trip.last.id if ended else None)
            duration = trip.last.log_ns - trip.first.log_ns
            assert shown["duration_ns"] == (duration if ended else None)
            assert (shown["exit_time"] is None) == (not ended)
            assert shown["currency"] == row.settlement
            for name, fills_of_side in (("entry_price", trip.entries), ("exit_price", trip.exits)):
                price = average(row, fills_of_side)
                assert (shown[name] is None) == (price is None)
                assert price is None or float(shown[name]) == close_to(price)
            assert float(shown["fees"]) == close_to(trip.fees)
            assert shown["profit"] == shown["realized"] - shown["fees"]
            if ended:  # what was received less what was paid
                assert float(shown["realized"]) == close_to(trip.cash)


@settings(max_examples=25, deadline=None)
@given(FILLS)
def test_trips_add_up_to_the_positions_exactly(views, drawn):
    book = booked(drawn)
    with views.holding(book.facts):
        found = by_owner(views.rows("FROM round_trips"))
    last = {(p.account, p.strategy, p.instrument): p for p in book.rows(Position)}
    assert found.keys() == last.keys()
    for owner, position in last.items():
        assert sum(each["realized"] for each in found[owner]) == position.realized
        assert sum(each["fees"] for each in found[owner]) == position.fees
        assert (found[owner][-1]["exit_time"] is None) == bool(position.quantity)


@settings(max_examples=15, deadline=None)
@given(FILLS)
def test_the_hit_rate_is_that_of_the_trips_that_have_ended(views, drawn):
    with views.holding(booked(drawn).facts):
        trips = by_owner(views.rows("FROM round_trips WHERE exit_time IS NOT NULL"))
        rates = by_owner(views.rows("FROM hit_rate"))
    assert rates.keys() == trips.keys()
    for owner, (rate,) in rates.items():
        profits = [each["profit"] for each in trips[owner]]
        wins, losses = [p for p in profits if p > 0], [p for p in profits if p < 0]
        assert (rate["trips"], rate["wins"], rate["losses"]) == (
            len(profits), len(wins), len(losses),
        )  # fmt: skip
        assert rate["hit_rate"] == len(wins) / len(profits)
        assert rate["expectancy"] == close_to(sum(profits) / len(profits))
        assert rate["average_win"] == close_to(sum(wins) / len(wins) if wins else None)
        assert rate["average_loss"] == close_to(sum(losses) / len(losses) if losses else None)
        factor = float(sum(wins)) / -float(sum(losses)) if losses else None
        assert rate["profit_factor"] == close_to(factor)


def test_a_fill_that_turns_the_position_ends_a_trip_and_begins_the_next(views):
    book = Book()
    book.fill(MAIN, BUY, 1, 100, "0.1")
    book.fill(MAIN, SELL, 3, 110, "0.3")
    with views.holding(book.facts):
        first, second = views.rows("FROM round_trips")
    assert (first["side"], first["realized"], first["fees"], first["profit"]) == (
        "LONG", 10, D("0.2"), D("9.8"),
    )  # fmt: skip
    assert (second["side"], second["size"], second["fees"], second["exit_reason"]) == (
        "SHORT", 2, D("0.2"), "",
    )  # fmt: skip
    assert first["exit_fill_id"] == second["entry_fill_id"]


def test_what_a_fee_in_base_leaves_is_flat_and_all_of_it_is_in_the_sums(views):
    book = Book()
    for _ in range(3):
        book.fill(MAIN, BUY, 1, 100, "0.02", fee_currency="ETH")
        book.fill(MAIN, SELL, "0.9", 110, "0.1")
    with views.holding(book.facts):
        trips = views.rows("FROM round_trips")
    last = book.rows(Position)[-1]
    assert last.quantity > 0
    assert [(each["side"], each["fills"]) for each in trips][:1] == [("LONG", 2)]
    assert sum(each["realized"] for each in trips) == last.realized
    assert sum(each["fees"] for each in trips) == last.fees


def test_funding_is_that_of_the_trip_in_which_it_came_or_of_the_last_one(views):
    book = Book()
    book.fill(MAIN, BUY, 1, 100)
    paid = [
        Funding(1, "main", "fast", SPOT, 1, 1, 2, D("0.1"), D(1), D(1), amount, "USDT")
        for amount in (D("-2"), None, D("0.5"))
    ]
    with views.holding([*book.facts, *paid]):
        (trip,) = views.rows("FROM round_trips")
    assert (trip["funding"], trip["profit"]) == (D("-1.5"), 0)


def order(name, **fields):
    terms = {"type": "market", "role": "entry", "signal_id": "s", **fields}
    return Order(
        0, name, terms.pop("signal_id"), "main", "fast", SPOT, SELL, terms.pop("type"), D(1), D(100),
        BEGIN, BEGIN, "x-0", 0, **terms,
    )  # fmt: skip


STATE = StateChange(
    7, "account:main", BEGIN, "x-0", 0, "ACTIVE", "HALTED", "CLOSING", "rule", "DRAWDOWN", "", "", "", ""
)  # fmt: skip


@pytest.mark.parametrize(
    ("orders", "reason"),
    [
        ([order("x")], "signal"),
        ([order("x", type="limit")], "signal"),
        ([order("x", type="stop")], "signal"),  # of an entry
        ([order("x", type="stop", role="exit")], "stop"),
        ([order("x", type="stop_limit", role="exit")], "stop"),
        ([order("x", type="take_profit_limit", role="exit")], "take_profit"),
        ([order("x", type="trailing", role="exit")], "trailing"),
        ([order("x", type="limit", role="exit")], "limit"),
        ([order("x", type="stop", reduce_only=True)], "stop"),
        ([order("x", role="child", parent="y"), order("y", type="stop", role="exit")], "stop"),
        ([order("x", signal_id="states/7", reduce_only=True)], "DRAWDOWN"),
        ([order("x", signal_id="states/8", reduce_only=True)], "closing"),
        ([], "signal"),
    ],
)
def test_a_trip_says_why_it_ended(views, orders, reason):
    book = Book()
    book.fill(MAIN, BUY, 1, 100)
    book.fill(MAIN, SELL, 1, 110, order_id="x")
    with views.holding([*book.facts, *orders, STATE]):
        (trip,) = views.rows("FROM round_trips")
    assert trip["exit_reason"] == reason


def test_without_fills_there_are_no_rows(views):
    with views.holding([]):
        for name in ("round_trips", "hit_rate", "slippage", "pnl_daily", "exposure", "tearsheet"):
            assert views.rows(f"FROM {name}") == []
