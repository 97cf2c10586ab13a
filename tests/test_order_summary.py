"""What a run says of its orders: how they ended, and what of their fills the log did not show."""

import duckdb
import pytest

from tapeflow.flows.cli.summary import order_hints
from tapeflow.flows.cli.summary.orders import order_figures
from tests.running import ROOT, job_of

PATIENT = {"paper": {"patience": "20s", "slip": 0}}
WITH_EVENTS, WITHOUT = ({**PATIENT, "results": {"order_events": each}} for each in (True, False))


@pytest.fixture
def con():
    """Return a connection to results with no rows."""
    with duckdb.connect() as connection:
        connection.execute("""
            CREATE TABLE orders (id TEXT, type TEXT, role TEXT, parent TEXT, size DECIMAL(38, 12));
            CREATE TABLE fills (
                order_id TEXT, instrument TEXT, size DECIMAL(38, 12), beyond DECIMAL(38, 12)
            );
            CREATE TABLE order_events (
                seq BIGINT, order_id TEXT, instrument TEXT, kind TEXT, phase TEXT, "end" TEXT,
                reason TEXT, alert TEXT
            );
        """)
        yield connection


def add_order(con, name, *, size=1, kind="market", role="entry", parent=""):
    con.execute("INSERT INTO orders VALUES (?, ?, ?, ?, ?)", [name, kind, role, parent, size])


def add_fill(con, name, size, *, beyond=0, instrument="BTC-USDT.BINANCE"):
    con.execute("INSERT INTO fills VALUES (?, ?, ?, ?)", [name, instrument, size, beyond])


def add_events(con, name, *events, instrument="BTC-USDT.BINANCE"):
    """Add events: (seq, kind, end, reason[, alert])."""
    for seq, kind, end, reason, *alert in events:
        row = [
            seq,
            name,
            instrument,
            kind,
            "DONE" if end else "OPEN",
            end,
            reason,
            *(alert or [""]),
        ]
        con.execute("INSERT INTO order_events VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)


def test_every_order_is_counted_once_by_what_became_of_it(con):
    add_order(con, "filled")
    add_events(con, "filled", (1, "ACCEPTED", "", ""), (2, "FILL", "FILLED", ""))
    add_order(con, "late")  # a refusal that comes later is no end
    canceled = (4, "CANCELED", "CANCELED", "OCO"), (9, "CANCEL_REFUSED", "CANCELED", "ORDER_OVER")
    add_events(con, "late", (3, "CANCEL_ASKED", "", "OCO"), *canceled)
    for name, reason in (("a", "NO_MARKET"), ("b", "NO_MARKET"), ("c", "GTD")):
        add_order(con, name)
        add_events(con, name, (5, "EXPIRED", "EXPIRED", reason))
    add_order(con, "refused")
    add_events(con, "refused", (6, "REJECTED", "REJECTED", "TICK"))
    add_order(con, "asked")
    add_events(con, "asked", (7, "CANCELED", "CANCELED", ""))
    add_order(con, "resting")
    add_events(con, "resting", (8, "ACCEPTED", "", ""))
    add_order(con, "held", role="exit")
    ends, reasons = order_figures(con, WITH_EVENTS)
    assert ends == {"filled": 1, "canceled": 2, "expired": 3, "rejected": 1, "working": 2}
    assert sum(ends.values()) == con.execute("SELECT count(*) FROM orders").fetchone()[0]
    assert reasons == {
        "canceled": {"OCO": 1, "asked for": 1},
        "expired": {"NO_MARKET": 2, "GTD": 1},
        "rejected": {"TICK": 1},
    }


def test_without_events_the_fills_say_which_orders_have_all_of_their_size(con):
    add_order(con, "whole", size=3)
    add_fill(con, "whole", 1)
    add_fill(con, "whole", 2)
    add_order(con, "part", size=3)
    add_fill(con, "part", 1)
    add_order(con, "none")
    add_order(con, "sliced", size=2)  # has no fill of its own
    for child in ("s1", "s2"):
        add_order(con, child, role="child", parent="sliced")
        add_fill(con, child, 1)
    ends, reasons = order_figures(con, WITHOUT)
    assert (ends, reasons) == ({"filled": 4, "filled in part": 1, "not filled": 1}, {})


def lines(con, hint, job=WITH_EVENTS):
    return [*hint(con, job)]


def test_orders_that_found_no_market_are_said_with_the_patience(con):
    assert lines(con, order_hints.find_no_market) == []
    for number in range(3):
        add_order(con, f"o{number}")
        add_events(con, f"o{number}", (number, "EXPIRED", "EXPIRED", "NO_MARKET"))
    add_events(con, "x", (4, "EXPIRED", "EXPIRED", "GTD"), instrument="ETH-USDT.BINANCE")
    assert lines(con, order_hints.find_no_market) == [
        "3 orders expired with NO_MARKET: nothing that could fill them was seen within [paper] "
        "patience, 20s: BTC-USDT.BINANCE 3"
    ]
    assert lines(con, order_hints.find_no_market, WITHOUT) == []


@pytest.mark.parametrize(("slip", "price"), [(0, "at no worse price"), (2, "2 ticks worse")])
def test_fills_beyond_what_the_log_showed_are_said_with_their_price(con, slip, price):
    add_fill(con, "o1", 2)
    assert lines(con, order_hints.find_beyond) == []
    add_fill(con, "o2", 2, beyond="0.5")
    add_fill(con, "o3", 1, beyond="0.75", instrument="ETH-USDT.BINANCE")
    job = {**WITH_EVENTS, "paper": {"slip": slip}}
    assert lines(con, order_hints.find_beyond, job) == [
        f"2 of 3 fills took more than the log showed, the rest {price} by [paper] slip: "
        "ETH-USDT.BINANCE 0.75 of 1 (75 %), BTC-USDT.BINANCE 0.5 of 4 (12 %)"
    ]


def test_reports_that_contradict_each_other_are_said(con):
    add_events(con, "o1", (1, "FILL", "FILLED", "", "OVERFILL"), (2, "FILL", "FILLED", ""))
    (line,) = lines(con, order_hints.find_alerts)
    assert line.startswith("reports of orders contradict what was known: 1 OVERFILL; SELECT")
    assert lines(con, order_hints.find_alerts, WITHOUT) == []


@pytest.mark.parametrize(
    ("kind", "why"), [("market", "no trade that could fill"), ("limit", "prices")]
)
def test_a_run_that_filled_nothing_says_what_to_look_at(con, kind, why):
    assert lines(con, order_hints.find_unfilled) == []
    add_order(con, "o1", kind=kind)
    (line,) = lines(con, order_hints.find_unfilled)
    assert line.startswith("none of 1 order was filled") and why in line
    add_fill(con, "o1", 1)
    assert lines(con, order_hints.find_unfilled) == []


def test_the_reference_job_has_no_events_and_the_others_have():
    assert not job_of().results.order_events
    assert job_of(ROOT / "jobs" / "brackets.toml").results.order_events
