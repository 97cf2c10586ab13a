"""What has become of orders: the view over orders, their events and fills, and who reads it."""

from decimal import Decimal

import pyarrow as pa
import pytest
from msgspec import structs

from tapeflow.connectors.duckdb.file import ResultPaths
from tapeflow.connectors.duckdb.insertion import create, insert_facts
from tapeflow.connectors.duckdb.query import connect
from tapeflow.flows.cli.summary.figures import summarise
from tapeflow.flows.cli.summary.order_hints import (
    find_alerts,
    find_beyond,
    find_no_market,
    find_unfilled,
)
from tapeflow.operators.desk.actions import Place
from tapeflow.operators.desk.life import apply_report
from tapeflow.operators.desk.order_facts import command, order_event
from tapeflow.operators.desk.working import begin
from tapeflow.schemas.arrow import to_record_batch
from tapeflow.schemas.orders import Fill, Order, Report
from tapeflow.schemas.registry import FACT_TYPES, TABLES, decode, encode, identity
from tapeflow.schemas.sides import SELL

JOB = '{"strategies": [], "accounts": [], "instruments": []}'


def an_order(name, size="10", **fields):
    return Order(
        len(name), name, "s", "main", "trend", "BTC-USD.X", SELL, "limit", Decimal(size),
        Decimal(100), 5, 6, "x-0", 7, limit=Decimal(99), **fields,
    )  # fmt: skip


def a_fill(order, size, number=0):
    return Fill(
        1, f"{order.id}-{number}", order.id, "main", "trend", order.instrument, order.side,
        Decimal(100), Decimal(size), Decimal(0), "USD", "MAKER", 9, 9, -1, "x-0", 8,
    )  # fmt: skip


def facts_of(order, *steps):
    """Return an order with its events and fills, after steps: a size that is filled, or a kind."""
    working, facts = begin(order), [order]
    for number, step in enumerate(steps):
        fields = {"kind": step[0], "reason": step[1]} if isinstance(step, tuple) else {"kind": step}
        if not isinstance(step, str | tuple):
            size = Decimal(step)
            fields = {
                "kind": "FILL",
                "execution_id": str(number),
                "size": size,
                "price": Decimal(100),
            }
            if order.role == "child" or not order.id.startswith("parent"):
                facts.append(a_fill(order, step, number))
        outcome = apply_report(
            working, Report(order.id, position=(9, "x-0", 8), event_ns=9, **fields)
        )
        facts.append(order_event(number, working, outcome))
    return facts


def results_of(tmp_path, *facts, events=True):
    """Write facts as results; return the path of the file."""
    tmp_path.mkdir(exist_ok=True)
    path = tmp_path / "r.duckdb"
    con = create(ResultPaths(path, path))
    tables = {}
    for kind in {type(fact) for fact in facts}:
        if events or TABLES[kind] != "order_events":
            rows = [fact for fact in facts if type(fact) is kind]
            tables[TABLES[kind]] = pa.Table.from_batches([to_record_batch(kind, rows)])
    con.begin()
    insert_facts(con, 1, tables)
    con.commit()
    con.close()
    return path


def states(path):
    with connect(path) as con:
        query = 'SELECT order_id, filled, leaves, phase, "end", reason FROM order_states'
        return {row[0]: row[1:] for row in con.execute(query).fetchall()}


STORY = [
    *facts_of(an_order("waits", role="exit")),
    *facts_of(an_order("rests"), "SENT", "ACCEPTED"),
    *facts_of(an_order("partly"), "SENT", 4),
    *facts_of(an_order("full"), "SENT", 4, 6),
    *facts_of(an_order("over"), "SENT", 4, 7),
    *facts_of(an_order("expired"), "SENT", ("EXPIRED", "NO_MARKET")),
    *facts_of(an_order("canceled"), "SENT", 4, "CANCELED"),
]  # fmt: skip


def test_events_say_what_has_become_of_an_order(tmp_path):
    assert states(results_of(tmp_path, *STORY)) == {
        "waits": (0, 10, "HELD", "", ""),
        "rests": (0, 10, "OPEN", "", ""),
        "partly": (4, 6, "OPEN", "", ""),
        "full": (10, 0, "DONE", "FILLED", ""),
        "over": (11, 0, "DONE", "FILLED", ""),
        "expired": (0, 0, "DONE", "EXPIRED", "NO_MARKET"),
        "canceled": (4, 0, "DONE", "CANCELED", ""),
    }


def test_without_events_fills_say_what_they_can_and_an_end_is_not_known(tmp_path):
    assert states(results_of(tmp_path, *STORY, events=False)) == {
        "waits": (0, 10, None, "", ""),
        "rests": (0, 10, None, "", ""),
        "partly": (4, 6, None, "", ""),
        "full": (10, 0, "DONE", "FILLED", ""),
        "over": (11, 0, "DONE", "FILLED", ""),
        "expired": (0, 10, None, "", ""),
        "canceled": (4, 6, None, "", ""),
    }


def living(results):
    """What orders that are not known to have ended may still fill; slices are those of their order."""
    sql = "SELECT leaves FROM order_states WHERE phase IS DISTINCT FROM 'DONE' AND role <> 'child'"
    with connect(results) as con:
        return sorted(size for (size,) in con.execute(sql).fetchall())


@pytest.mark.parametrize("events", [True, False])
def test_orders_that_live_have_what_they_may_still_fill(tmp_path, events):
    known = [6, 10, 10] if events else [6, 6, 10, 10, 10]
    assert living(results_of(tmp_path, *STORY, events=events)) == known


def test_an_order_in_slices_lives_once_with_all_that_its_children_may_fill(tmp_path):
    parent = an_order("parent")
    child = structs.replace(an_order("child", "4"), role="child", parent="parent")
    facts = [*facts_of(parent, 3), *facts_of(child, "SENT", 3)]
    for events in (True, False):
        assert living(results_of(tmp_path / str(events), *facts, events=events)) == [7]


def test_the_summary_counts_every_order_once_by_what_became_of_it(tmp_path):
    late = facts_of(an_order("late"), "SENT", ("CANCELED", "OCO"), ("CANCEL_REFUSED", "ORDER_OVER"))
    figures = summarise(results_of(tmp_path / "1", *STORY, *late))
    assert figures["order_ends"] == {"filled": 2, "canceled": 2, "expired": 1, "working": 3}
    assert sum(figures["order_ends"].values()) == figures["orders"] == 8
    assert figures["order_reasons"] == {
        "canceled": {"asked for": 1, "OCO": 1},  # a refusal that comes later is no end
        "expired": {"NO_MARKET": 1},
    }
    figures = summarise(results_of(tmp_path / "2", *STORY, events=False))
    assert figures["order_ends"] == {"filled": 2, "filled in part": 2, "not filled": 3}
    assert figures["order_reasons"] == {}


def test_an_order_in_slices_is_filled_by_the_fills_of_its_children(tmp_path):
    parent = an_order("parent")
    child = structs.replace(an_order("child"), role="child", parent="parent")
    facts = [*facts_of(parent, 10), *facts_of(child, "SENT", 10)]
    for events in (True, False):
        figures = summarise(results_of(tmp_path / str(events), *facts, events=events))
        assert figures["order_ends"] == {"filled": 2}


# --- hints ----------------------------------------------------------------------------------------


def lines(path, hint, **paper):
    """Return what a hint says of results."""
    with connect(path) as con:
        return [*hint(con, {"paper": {"patience": "20s", "slip": 0, **paper}})]


def test_the_summary_says_how_orders_ended_where_nothing_was_filled(tmp_path):
    first = facts_of(an_order("a"), "SENT", ("REJECTED", "TICK"))
    second = facts_of(an_order("b"), "SENT", ("REJECTED", "TICK"))
    expired = facts_of(an_order("c"), "SENT", ("EXPIRED", "NO_MARKET"))
    assert lines(results_of(tmp_path, *first, *second, *expired), find_unfilled) == [
        "none of 3 orders was filled: 2 ended REJECTED TICK, 1 ended EXPIRED NO_MARKET"
    ]


@pytest.mark.parametrize(
    ("kind", "why"),
    [("market", "the log holds no trade that could fill"), ("limit", "did not reach their prices")],
)
def test_where_all_orders_wait_the_summary_says_for_what(tmp_path, kind, why):
    order = structs.replace(an_order("a"), type=kind)
    (line,) = lines(results_of(tmp_path / "1", *facts_of(order, "SENT")), find_unfilled)
    assert line.startswith("none of 1 order was filled") and why in line
    assert lines(results_of(tmp_path / "2", *facts_of(order, "SENT", 1)), find_unfilled) == []


def test_orders_that_found_no_market_are_said_with_the_patience(tmp_path):
    expired = [
        fact
        for name in ("a", "b", "c")
        for fact in facts_of(an_order(name), "SENT", ("EXPIRED", "NO_MARKET"))
    ]
    in_time = facts_of(an_order("d"), "SENT", ("EXPIRED", "GTD"))
    path = results_of(tmp_path / "1", *expired, *in_time)
    assert lines(path, find_no_market) == [
        "3 orders expired with NO_MARKET: nothing that could fill them was seen within [paper] "
        "patience, 20s: BTC-USD.X 3"
    ]
    assert lines(results_of(tmp_path / "2", *in_time), find_no_market) == []


@pytest.mark.parametrize(("slip", "price"), [(0, "at no worse price"), (2, "2 ticks worse")])
def test_fills_beyond_what_the_log_showed_are_said_with_their_price(tmp_path, slip, price):
    order = an_order("a")
    shown, larger = a_fill(order, 2), structs.replace(a_fill(order, 2, 1), beyond=Decimal("0.5"))
    other = structs.replace(
        a_fill(order, 1, 2), instrument="ETH-USD.X", beyond=Decimal("0.75"), seq=9
    )
    assert lines(results_of(tmp_path / "1", shown), find_beyond, slip=slip) == []
    path = results_of(tmp_path / "2", shown, larger, other)
    assert lines(path, find_beyond, slip=slip) == [
        f"2 of 3 fills took more than the log showed, the rest {price} by [paper] slip: "
        "ETH-USD.X 0.75 of 1 (75 %), BTC-USD.X 0.5 of 4 (12 %)"
    ]


def test_reports_that_contradict_each_other_are_said(tmp_path):
    over = results_of(tmp_path / "1", *facts_of(an_order("over"), "SENT", 4, 7))
    (line,) = lines(over, find_alerts)
    assert line.startswith("reports of orders contradict what was known: 1 OVERFILL; SELECT")
    full = results_of(tmp_path / "2", *facts_of(an_order("full"), "SENT", 4, 6))
    assert lines(full, find_alerts) == []


def test_a_fill_that_is_heard_after_a_later_one_is_missed_for_a_moment_only(tmp_path):
    story = [fact for fact in facts_of(an_order("o"), "SENT", 4, 6) if not isinstance(fact, Fill)]
    order, sent, first, second = story
    missed = structs.replace(first, alert="MISSED_FILL")
    whole = results_of(tmp_path / "1", order, sent, missed, second)
    assert lines(whole, find_alerts) == []
    (line,) = lines(results_of(tmp_path / "2", order, sent, missed), find_alerts)
    assert "1 MISSED_FILL" in line


# --- tables and topics ----------------------------------------------------------------------------


def test_order_events_and_commands_are_tables_and_topics(tmp_path):
    working = begin(an_order("placed", tif="GTD", expire_ns=77))
    outcome = apply_report(working, Report("placed", "SENT", (9, "", -1), 9, source="desk"))
    event = order_event(5, working, outcome)
    request = command(6, working, Place(working.order, working.size), 9, 100)
    path = results_of(tmp_path, working.order, event, request)
    with connect(path) as con:
        query = 'SELECT seq, kind, phase, "end", source, "offset", epoch_ns(time) FROM order_events'
        assert con.execute(query).fetchall() == [(5, "SENT", "SENT", "", "desk", -1, 9)]
        query = 'SELECT seq, action, side, "limit", epoch_ns(deadline_time), epoch_ns(expire_time) FROM commands'
        assert con.execute(query).fetchall() == [(6, "PLACE", "SELL", 99, 109, 77)]
    kinds = {kind.type: kind for kind in FACT_TYPES}
    for fact in (event, request):
        assert decode(kinds[type(fact)], encode(fact)) == fact
    assert (identity(event), identity(request)) == ("main/5", "main/6")
