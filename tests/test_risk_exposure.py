"""Exposure of open orders: worst case by side, at the present marks."""

from decimal import Decimal as D

import pytest
from msgspec import json
from msgspec.structs import replace

from tapeflow.operators.desk.risk.rules import RiskRules
from tapeflow.schemas.accounts import Decision
from tapeflow.schemas.instruments import InstrumentTable
from tapeflow.schemas.limits import ScopeLimits
from tapeflow.schemas.orders import Fill, Order, Terms
from tapeflow.schemas.signals import Slicing
from tests.desk_stories import (
    BTC,
    ETH,
    ask,
    buy,
    decisions,
    desk,
    limit,
    only,
    run_desk,
    sell,
    trade,
)
from tests.frames import S
from tests.plain_flow import IDS, INSTRUMENTS

PERP = IDS.index("BTC-USDT-PERP.BINANCE-USDM")
RESTING = limit(50)  # far below the market


def risk(scope="account:main", *, flips=False, on_breach="refuse", groups=None, **limits):
    """Return rules with limits of one scope."""
    found = {scope: ScopeLimits(scope, **limits)}
    return RiskRules("worst", flips, on_breach, found, groups or {})


def run_story(rules, rows, requests, **more):
    """Return the facts of a story by these rules."""
    return run_desk(desk(risk=rules, **more), rows, requests)


FLAT = [trade(number, 100) for number in range(1, 9)]


# --- exposure -----------------------------------------------------------------------------------


def test_gross_is_at_present_marks_and_not_at_those_of_the_approval():
    rows = [trade(1, 10, i=ETH), trade(2, 10, i=ETH), trade(3, 21, i=ETH), trade(4, 3)]
    entries = [buy("eth", at=0, size=95, i=ETH), buy("btc", at=3, size=9)]
    assert decisions(run_story(risk(gross_max=D(1000)), rows, entries)) == [
        "eth APPROVED", "btc GROSS_LIMIT",
    ]  # fmt: skip
    rows[2] = trade(3, 10, i=ETH)
    assert decisions(run_story(risk(gross_max=D(1000)), rows, entries))[1] == "btc APPROVED"


def test_orders_in_flight_and_at_rest_count_with_all_that_they_may_still_fill():
    entries = [buy(f"s{n}", at=n, size=4, terms=RESTING) for n in range(3)]
    facts = run_story(risk(position_max=D(10)), FLAT, entries)
    assert decisions(facts) == ["s0 APPROVED", "s1 APPROVED", "s2 POSITION_LIMIT"]


def test_open_orders_of_both_sides_do_not_net_each_other_in_gross_and_net():
    rows = [trade(number, 100, i=PERP) for number in range(1, 7)]
    both = [
        buy("a", at=0, size=4, i=PERP, terms=limit(90)),
        sell("b", at=0, size=4, i=PERP, terms=limit(110)),
    ]
    for name in ("gross_max", "net_max"):
        for more in (buy, sell):
            beyond = more("c", at=2, size=2, i=PERP)
            facts = run_story(risk(**{name: D(500)}), rows, [*both, beyond])
            assert decisions(facts)[2:] == [f"c {name[:-4].upper()}_LIMIT"]
        at_limit = sell("c", at=2, size=1, i=PERP)
        assert decisions(run_story(risk(**{name: D(500)}), rows, [*both, at_limit]))[2:] == [
            "c APPROVED"
        ]


def test_what_will_not_be_filled_is_given_back():
    entries = [
        buy("a", at=0, size=8, terms=RESTING),
        buy("b", at=1, size=8),
        ask("a", at=2, cancels="a"),
        buy("c", at=4, size=8),
    ]
    facts = run_story(risk(position_max=D(10)), FLAT, entries)
    assert decisions(facts) == ["a APPROVED", "b POSITION_LIMIT", "c APPROVED"]


def test_open_buys_are_not_taken_off_by_open_sales():
    entries = [
        buy("a", at=0, size=8, terms=RESTING, i=PERP),
        sell("b", at=1, size=8, terms=limit(500), i=PERP),
        buy("c", at=2, size=3, terms=RESTING, i=PERP),
        sell("d", at=3, size=3, terms=limit(500), i=PERP),
    ]
    rows = [trade(number, 100, i=PERP) for number in range(1, 9)]
    facts = run_story(risk(position_max=D(10)), rows, entries)
    assert decisions(facts) == ["a APPROVED", "b APPROVED", "c POSITION_LIMIT", "d POSITION_LIMIT"]


def test_an_amendment_is_asked_for_what_it_adds():
    entries = [
        buy("a", at=0, size=6, terms=RESTING),
        ask("a", at=2, amends="a", size=11),
        ask("b", at=3, amends="a", size=10),
        buy("c", at=5, size=1, terms=RESTING),
    ]
    facts = run_story(risk(position_max=D(10)), FLAT, entries)
    assert decisions(facts) == ["a APPROVED", "a POSITION_LIMIT", "c POSITION_LIMIT"]


@pytest.mark.parametrize(
    "scope", ["portfolio", "venue:BINANCE", f"instrument:{IDS[BTC]}", "group:g"]
)
def test_limits_of_the_market_are_of_all_accounts_together(scope):
    rules = risk(scope, gross_max=D(500), groups={"g": frozenset({IDS[BTC]})})
    entries = [buy("a", at=0, size=3), buy("b", at=2, size=3, account="other")]
    facts = run_story(rules, FLAT, entries, accounts=("main", "other"))
    assert sorted(decisions(facts)) == ["a APPROVED", "b GROSS_LIMIT"]


@pytest.mark.parametrize(
    ("scope", "reason"), [("account:main", "GROSS_LIMIT"), ("strategy:a", "APPROVED")]
)
def test_limits_of_a_strategy_are_its_own(scope, reason):
    entries = [buy("a", at=0, size=3), buy("b", at=2, size=3)]
    facts = run_story(risk(scope, gross_max=D(500)), FLAT, entries)
    assert decisions(facts) == ["a APPROVED", f"b {reason}"]


def test_a_scope_that_does_not_hold_the_instrument_is_not_asked():
    facts = run_story(risk("venue:COINBASE", gross_max=D(0)), FLAT, [buy("a", at=0)])
    assert decisions(facts) == ["a APPROVED"]
    assert [each[4] for each in findings(facts, "a")] == ["", ""]  # its price and its lot


def findings(facts, strategy):
    """Return what was found of the decisions of a strategy, one after the other."""
    found = [each.checks for each in only(Decision, facts) if each.strategy == strategy]
    return [each for checks in found for each in json.decode(checks)]


# --- what only reduces ------------------------------------------------------------------------------


def test_an_exit_passes_the_rate_that_others_have_used():
    rules = risk(orders_max=2, orders_window_ns=60 * S)
    entries = [
        buy("a", at=0), buy("b", at=1), buy("c", at=2), sell("a", at=3), sell("b", at=3),
    ]  # fmt: skip
    facts = run_story(rules, FLAT, entries)
    assert decisions(facts) == [
        "a APPROVED", "b APPROVED", "c RATE_LIMIT", "a APPROVED", "b APPROVED",
    ]  # fmt: skip


def test_exits_take_nothing_from_the_rate_of_entries():
    rules = risk(orders_max=2, orders_window_ns=60 * S)
    entries = [buy("a", at=0), sell("a", at=2), buy("b", at=4)]
    assert decisions(run_story(rules, FLAT, entries))[-1] == "b APPROVED"


def test_a_fifth_of_a_rate_is_left_for_what_reduces():
    rules = risk(orders_max=5, orders_window_ns=60 * S)
    entries = [buy(f"s{n}", at=n) for n in range(5)]
    assert decisions(run_story(rules, FLAT, entries)) == [
        *(f"s{n} APPROVED" for n in range(4)), "s4 RATE_LIMIT",
    ]  # fmt: skip


def test_an_exit_passes_limits_that_the_price_has_left_behind():
    rows = [trade(1, 100), trade(2, 100), trade(3, 900), trade(4, 900), trade(5, 900)]
    facts = run_story(
        risk(gross_max=D(150)), rows, [buy("a", at=0), buy("b", at=2), sell("a", at=3)]
    )
    assert decisions(facts) == ["a APPROVED", "b GROSS_LIMIT", "a APPROVED"]


# --- sales of what is not held ----------------------------------------------------------------------


def test_spot_is_not_sold_short_and_a_contract_may_be():
    assert decisions(run_story(risk(), FLAT, [sell("a", at=0)])) == ["a SPOT_SHORT"]
    rows = [trade(number, 100, i=PERP) for number in range(1, 5)]
    assert decisions(run_story(risk(), rows, [sell("a", at=0, i=PERP)])) == ["a APPROVED"]


def test_what_another_strategy_holds_is_not_sold():
    facts = run_story(risk(), FLAT, [buy("a", at=0, size=5), sell("b", at=3, size=5)])
    assert decisions(facts) == ["a APPROVED", "b SPOT_SHORT"]


def test_the_refused_entry_leaves_nothing_to_exit():
    facts = run_story(risk(gross_max=D(50)), FLAT, [buy("a", at=0), sell("a", at=3)])
    assert decisions(facts) == ["a GROSS_LIMIT", "a GROSS_LIMIT"]
    assert only(Fill, facts) == []


@pytest.mark.parametrize("instrument", [BTC, PERP])
def test_an_order_that_would_turn_a_position_is_cut_to_what_reduces(instrument):
    rows = [trade(number, 100, size=99, i=instrument) for number in range(1, 9)]
    entries = [
        buy("a", at=0, size=10, i=instrument),
        sell("a", at=2, size=5, terms=limit(500), i=instrument),
        sell("a", at=3, size=8, i=instrument),
        sell("a", at=5, size=1, i=instrument),
    ]
    facts = run_story(risk(), rows, entries)
    assert decisions(facts) == ["a APPROVED", "a APPROVED", "a APPROVED", "a FLIP"]
    cut = only(Decision, facts)[2]
    assert (cut.size, cut.wanted_size) == (D(5), D(8))
    assert only(Order, facts)[2].size == D(5)
    assert [each.size for each in only(Fill, facts)] == [D(10), D(5)]


def test_flips_are_allowed_where_a_scope_or_the_job_says_so():
    rows = [trade(number, 100, size=99, i=PERP) for number in range(1, 9)]
    entries = [buy("a", at=0, size=1, i=PERP), sell("a", at=2, size=3, i=PERP)]
    for rules in (risk(flips=True), risk("strategy:a", flips=False)):
        sold = only(Order, run_story(rules, rows, entries))[1].size
        assert sold == (3 if rules.flips else 1)
    wider = RiskRules(
        limits={
            "portfolio": ScopeLimits("portfolio", flips=True),
            "strategy:a": ScopeLimits("strategy:a", flips=False),
        }
    )
    assert only(Order, run_story(wider, rows, entries))[1].size == 1  # the narrowest decides


# --- cuts -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limits", "size"),
    [
        ({"position_max": D("3.5")}, "3.5"),
        ({"gross_max": D(420)}, "4"),
        ({"net_max": D(199)}, "1.5"),
        ({"notional_max": D(250)}, "2.5"),
        ({"size_max": D("0.9")}, "0.5"),
    ],
)
def test_an_order_beyond_a_limit_is_cut_to_the_most_lots_that_pass(limits, size):
    facts = run_story(risk(on_breach="resize", **limits), FLAT, [buy("a", at=0, size=10)])
    (decision,) = only(Decision, facts)
    assert (decision.decision, decision.size, decision.wanted_size) == ("APPROVED", D(size), D(10))
    assert decision.detail.split(":")[0] == next(iter(limits)).replace(
        "_max", "_limit"
    ).upper().replace("SIZE_LIMIT", "SIZE_MAX").replace("NOTIONAL_LIMIT", "NOTIONAL_MAX")
    refused = run_story(risk(**limits), FLAT, [buy("a", at=0, size=10)])
    assert only(Decision, refused)[0].decision == "DENIED"


def test_an_order_of_which_not_a_lot_passes_is_refused():
    facts = run_story(risk(on_breach="resize", size_max=D("0.4")), FLAT, [buy("a", at=0)])
    assert decisions(facts) == ["a SIZE_MAX"]


# --- findings, repeats ---------------------------------------------------------------------------------


def test_every_decision_says_what_each_check_has_found():
    facts = run_story(risk(position_max=D(2), gross_max=D(150)), FLAT, [buy("a", at=0, size=2)])
    assert findings(facts, "a") == [
        ["PRICE_RANGE", True, "100.0", "1000000000000", ""],
        ["LOT", True, "2", "0.5", ""],
        ["POSITION_LIMIT", True, "2", "2", "account:main"],
        ["GROSS_LIMIT", False, 200.0, "150", "account:main"],
    ]


def test_the_same_order_is_refused_within_the_time_and_another_passes():
    rules = risk("strategy:a", repeat_ns=3 * S)
    entries = [
        buy("a", at=0),
        buy("a", at=1),
        buy("a", at=1, size=2),
        buy("b", at=1),
        buy("a", at=3),
    ]
    assert sorted(decisions(run_story(rules, FLAT, entries))) == [
        "a APPROVED", "a APPROVED", "a APPROVED", "a DUPLICATE", "b APPROVED",
    ]  # fmt: skip


def test_a_collar_is_of_exits_too_and_of_stops():
    far = Terms(type="stop", trigger=D(200))
    entries = [buy("a", at=0), buy("b", at=1, terms=far), sell("a", at=3, terms=limit(1))]
    facts = run_story(risk(collar_bps=100.0), FLAT, entries)
    assert decisions(facts) == ["a APPROVED", "b COLLAR", "a COLLAR"]


def test_an_instrument_whose_feed_is_old_opens_nothing():
    rows = [trade(1, 100), trade(2, 100, i=ETH), trade(9, 100, i=ETH), trade(10, 100)]
    entries = [buy("a", at=1), buy("b", at=2)]
    facts = run_story(risk(trade_age_ns=5 * S), rows, entries)
    assert decisions(facts) == ["a APPROVED", "b STALE_TRADE"]


def test_the_largest_size_of_the_venue_is_of_each_slice_and_not_of_the_whole():
    rows = [replace(each, max_size=D(2)) for each in INSTRUMENTS.rows]
    settings = desk(risk=risk(), instruments=InstrumentTable.from_rows(rows))
    slicing = Slicing(kind="twap", count=5, every_ns=S)
    facts = run_desk(
        settings, FLAT, [buy("a", at=0, size=5), buy("b", at=1, size=5, slicing=slicing)]
    )
    assert decisions(facts) == ["a SIZE_MAX", "b APPROVED"]
