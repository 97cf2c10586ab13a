"""Views that say why and at what price: slippage, reasons of orders and refusals, exposure."""

from decimal import Decimal

import pytest

from tapeflow.connectors.duckdb.views.shipped import VIEWS
from tapeflow.flows.job import settings
from tapeflow.schemas.accounts import Decision
from tapeflow.schemas.orders import Order
from tapeflow.schemas.sides import BUY, SELL
from tapeflow.schemas.signals import Signal
from tests.explaining import JOBS, Explained
from tests.view_facts import BEGIN, INVERSE, QUANTO, SPOT, Book, S, Views

D = Decimal


@pytest.fixture(scope="module")
def views(tmp_path_factory):
    return Views(tmp_path_factory.mktemp("views"))


def order(name, side=BUY, ref_price="100", instrument=SPOT, seq=0, **terms):
    fields = {"type": "market", **terms}
    return Order(
        seq, name, "s1", "main", "fast", instrument, side, fields.pop("type"), D(4), D(ref_price),
        BEGIN, BEGIN, "x-0", 0, **fields,
    )  # fmt: skip


def decision(name, verdict="APPROVED", reason="", seq=0, at_ns=BEGIN):
    detail = f"{reason}: observed={seq}" if reason else ""
    return Decision(
        seq, name, "s1", "main", "fast", SPOT, at_ns, BUY, D(4), D(100), BEGIN, verdict, reason,
        detail,
    )  # fmt: skip


def fill(book, name, side=BUY, price="101", instrument=SPOT, size=1, after_ns=S):
    book.fill(("main", "fast", instrument), side, size, price, "0", BEGIN + after_ns, name)


SIGNAL = Signal("s1", "fast", SPOT, BEGIN, BUY, 0.5, "bar-1", BEGIN, 100.0, "x-0", 0)


@pytest.mark.parametrize(
    ("side", "instrument", "price", "bps", "cost", "currency"),
    [
        (BUY, SPOT, "101", 100, 1, "USDT"),
        (SELL, SPOT, "101", -100, -1, "USDT"),
        (SELL, SPOT, "99", 100, 1, "USDT"),
        (BUY, QUANTO, "101", 100, 0.001, "BTC"),
        (BUY, INVERSE, "125", 2500, 100 / 100 - 100 / 125, "BTC"),
        (SELL, INVERSE, "125", -2500, 100 / 125 - 100 / 100, "BTC"),
    ],
)
def test_a_price_that_is_worse_than_that_of_the_decision_costs(
    views, side, instrument, price, bps, cost, currency
):
    book = Book()
    fill(book, "o", side, price, instrument)
    with views.holding([*book.facts, order("o", side, instrument=instrument), decision("o")]):
        (row,) = views.rows("FROM slippage")
    assert row["decision_bps"] == pytest.approx(bps)
    assert row["cost"] == pytest.approx(cost)
    assert (row["currency"], row["latency_ns"], row["decision_price"]) == (currency, S, 100)


@pytest.mark.parametrize(
    ("terms", "price"),
    [
        ({"type": "stop", "trigger": D(98)}, 98),
        ({"type": "stop_limit", "trigger": D(98), "limit": D(97)}, 98),
        ({"type": "limit", "limit": D(105)}, 105),
        ({"type": "trailing", "trail": D(2)}, None),
    ],
)
def test_an_exit_is_measured_by_its_own_price(views, terms, price):
    book = Book()
    fill(book, "o", SELL, "98")
    with views.holding([*book.facts, order("o", SELL, role="exit", **terms)]):
        (row,) = views.rows("FROM slippage")
    assert (row["decision_price"], row["latency_ns"]) == (price, None)
    assert (row["decision_bps"] is None) == (price is None)


def test_a_slice_is_measured_by_the_decision_about_its_order_and_an_unknown_order_by_none(views):
    book = Book()
    fill(book, "child", after_ns=9 * S)
    fill(book, "unknown")
    facts = [
        order("parent", ref_price="100"),
        order("child", ref_price="200", role="child", parent="parent"),
        decision("parent", "DENIED", "FOUR_EYES"),  # first refused, then let go
        decision("parent", seq=1),
    ]
    with views.holding([*book.facts, *facts]):
        child, unknown = views.rows("FROM slippage")
    assert (child["decision_price"], child["latency_ns"]) == (100, 9 * S)
    assert (unknown["decision_price"], unknown["decision_bps"], unknown["price"]) == (
        None, None, 101,
    )  # fmt: skip


def test_refusals_are_counted_by_reason_and_show_the_last_one(views):
    facts = [
        decision("a"),
        decision("b", "DENIED", "LOT", 1, BEGIN + S),
        decision("c", "DENIED", "GROSS_LIMIT", 2, BEGIN + 2 * S),
        decision("d", "DENIED", "LOT", 3, BEGIN + 3 * S),
    ]
    with views.holding(facts):
        lot, gross = views.rows("FROM refusals_by_reason")
    assert (lot["reason"], lot["refusals"], lot["example"], lot["example_detail"]) == (
        "LOT", 2, "d", "LOT: observed=3",
    )  # fmt: skip
    assert (lot["last_time"] - lot["first_time"]).total_seconds() == 2
    assert (gross["reason"], gross["refusals"]) == ("GROSS_LIMIT", 1)


def test_why_an_order_is_there_and_what_has_become_of_it(views):
    book = Book()
    fill(book, "child", price="101", size=1)
    fill(book, "child", price="103", size=3, after_ns=2 * S)
    facts = [
        SIGNAL,
        order("parent"),
        order("child", role="child", parent="parent", seq=1),
        decision("parent", "DENIED", "FOUR_EYES"),
        decision("parent", seq=1),
        decision("refused", "DENIED", "LOT", 2),
        decision("refused", "DENIED", "GROSS_LIMIT", 3),
    ]
    with views.holding([*book.facts, *facts]):
        found = {row["order_id"]: row for row in views.rows("FROM why_order")}
        assert views.rows("SELECT count(*) AS rows FROM why_order") == [{"rows": 3}]
    for name in ("parent", "child"):
        row = found[name]
        assert (row["filled"], row["average_price"], row["end"]) == (4, D("102.5"), "FILLED")
        assert (row["decision"], row["reason"], row["strength"], row["bar_id"]) == (
            "APPROVED", "", 0.5, "bar-1",
        )  # fmt: skip
    refused = found["refused"]
    assert (refused["decision"], refused["reason"], refused["size"]) == ("DENIED", "GROSS_LIMIT", 4)
    assert (refused["filled"], refused["phase"], refused["bar_id"]) == (0, None, "bar-1")


def test_exposure_is_signed_and_in_its_currency(views):
    book = Book()
    fill(book, "a", SELL, "100", size=2)
    fill(book, "b", SELL, "100", INVERSE, size=2)
    fill(book, "c", BUY, "100", QUANTO, size=2)
    fill(book, "d", BUY, "100", size=2)
    with views.holding(book.facts):
        rows = views.rows("FROM exposure")
    assert [(row["notional"], row["currency"]) for row in rows] == [
        (-200, "USDT"), (-200, "USD"), (pytest.approx(0.2), "BTC"), (0, "USDT"),
    ]  # fmt: skip


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.name)
def test_every_column_of_a_view_has_a_meaning_and_every_meaning_a_column(views, view):
    described = [row["column_name"] for row in views.rows(f"DESCRIBE {view.name}")]
    assert described == [*view.meanings]
    assert view.title
    assert all(view.meanings.values())


# --- the demo -----------------------------------------------------------------------------


def test_trips_and_what_is_open_are_the_last_equity_of_the_demo(demo_run):
    made = demo_run.rows(
        "SELECT strategy, sum(profit) + sum(funding) AS made FROM round_trips GROUP BY ALL ORDER BY ALL"
    )
    last = demo_run.rows(
        "SELECT strategy, arg_max(equity - unrealized, seq) AS closed, arg_max(equity, seq) AS "
        "equity FROM equity GROUP BY ALL ORDER BY ALL"
    )
    assert [D(row["made"]) for row in made] == [D(row["closed"]) for row in last]
    sheet = demo_run.rows(
        "SELECT value FROM tearsheet WHERE statistic = 'net_profit' AND strategy <> '' ORDER BY strategy"
    )
    assert [row["value"] for row in sheet] == [float(row["equity"]) for row in last]
    daily = demo_run.rows("SELECT sum(profit) AS profit FROM pnl_daily")
    assert D(daily[0]["profit"]) == sum(D(row["equity"]) for row in last)


def test_the_demo_has_each_fill_order_and_refusal_once(demo_run):
    for view, key, counted in (
        ("slippage", "fill_id", "fills"),
        ("exposure", "fill_id", "positions"),
        ("why_order", "order_id", "decisions"),
    ):
        (row,) = demo_run.rows(
            f"SELECT count(*) = count(DISTINCT {key}) AS once, count(*) AS rows, "
            f"(SELECT count(*) FROM {counted}) AS expected FROM {view}"
        )
        assert row["once"]
        assert row["rows"] == row["expected"]
    (row,) = demo_run.rows(
        "SELECT sum(refusals) AS refusals, (SELECT count(*) FROM decisions WHERE decision = 'DENIED')"
        " AS denied FROM refusals_by_reason"
    )
    assert int(row["refusals"]) == row["denied"] > 0


@pytest.mark.slow
def test_trips_of_brackets_and_slices_add_up_and_end_at_every_kind_of_exit(demo_run, tmp_path):
    job = settings.load(JOBS / "brackets.toml", {})
    made = Explained(demo_run.tapes, tmp_path / "results.duckdb", job)
    trips = made.rows(
        "SELECT strategy, sum(profit) + sum(funding) AS made FROM round_trips GROUP BY ALL ORDER BY ALL"
    )
    closed = made.rows(
        "SELECT strategy, arg_max(equity - unrealized, seq) AS made FROM equity GROUP BY ALL ORDER BY ALL"
    )
    assert trips == closed
    reasons = made.ids("SELECT DISTINCT exit_reason FROM round_trips")
    assert {"signal", "stop", "take_profit", "trailing", ""} <= {*reasons}
    (row,) = made.rows("SELECT count(*) AS rows, count(DISTINCT order_id) AS ids FROM why_order")
    assert row["rows"] == row["ids"]
    measured = made.rows(
        "SELECT bool_and((decision_bps IS NULL) = (type = 'trailing' AND role = 'exit')) AS right "
        "FROM slippage"
    )
    assert measured == [{"right": True}]
