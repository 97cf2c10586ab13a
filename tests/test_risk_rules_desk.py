"""Checks of venue rules, quotes, own orders and cancels, through the whole desk."""

from decimal import Decimal as D

import msgspec
import pytest

from tapeflow.operators.desk.risk.open_sizes import OpenSizes
from tapeflow.operators.desk.risk.rules import RiskRules
from tapeflow.operators.desk.risk.state import RiskSnapshot, RiskState
from tapeflow.schemas.accounts import Decision
from tapeflow.schemas.limits import ScopeLimits
from tapeflow.schemas.orders import Order
from tapeflow.schemas.sides import SELL
from tapeflow.schemas.signals import Leg
from tests.desk_stories import ETH, ask, buy, decisions, limit, only, quote, sell, trade
from tests.frames import S
from tests.test_risk_exposure import FLAT, RESTING, risk, run_story

QUOTED = [trade(1, 100), quote(2, 99, 101), *(trade(number, 100) for number in range(3, 9))]


@pytest.mark.parametrize(("price", "verdict"), [(60, "APPROVED"), ("60.001", "TICK")])
def test_a_price_between_two_ticks_is_refused_before_the_venue(price, verdict):
    facts = run_story(risk(), FLAT, [buy("a", at=0, terms=limit(price))])
    assert decisions(facts) == [f"a {verdict}"]
    assert len(only(Order, facts)) == (verdict == "APPROVED")


def test_a_size_between_two_lots_is_refused_before_the_venue():
    assert decisions(run_story(risk(), FLAT, [buy("a", at=0, size="1.3")])) == ["a LOT"]


def test_nothing_is_opened_in_a_crossed_market_or_in_one_without_quotes():
    rules = risk(refuse_crossed=True)
    rows = [trade(1, 100), quote(2, 99, 101), trade(3, 100), quote(4, 101, 101), trade(5, 100)]
    entries = [buy("a", at=0), buy("b", at=2), buy("c", at=4), sell("b", at=4)]
    facts = run_story(rules, rows, entries)
    assert decisions(facts) == ["a TOUCH_UNKNOWN", "b APPROVED", "b APPROVED", "c CROSSED"]


def test_a_venue_whose_clock_is_off_opens_nothing():
    late = trade(3, 100, v=1)  # at its venue two seconds before
    rows = [trade(1, 100), trade(2, 100), late, trade(4, 100)]
    entries = [buy("a", at=1), buy("b", at=2), buy("c", at=1, i=ETH)]
    facts = run_story(risk(clock_offset_ns=S), rows, entries, venue_clock=True)
    assert sorted(decisions(facts)) == ["a APPROVED", "b CLOCK", "c CLOCK_UNKNOWN"]
    unread = run_story(risk(clock_offset_ns=S), rows, entries)  # no time of the venue is read
    assert {each.split()[1] for each in decisions(unread)} == {"CLOCK_UNKNOWN"}


def test_a_sale_that_meets_an_own_buy_of_any_account_is_refused():
    rules = risk("portfolio", refuse_self_trade=True)
    entries = [
        buy("a", at=0, terms=limit(98)),
        buy("b", at=1),
        sell("b", at=3, terms=limit(98)),
        sell("b", at=4, terms=limit("98.5")),
    ]
    facts = run_story(rules, FLAT, entries, accounts=("main",))
    assert decisions(facts) == ["a APPROVED", "b APPROVED", "b SELF_TRADE", "b APPROVED"]
    other = [buy("a", at=0, terms=limit(98), account="other"), *entries[1:]]
    assert decisions(run_story(rules, FLAT, other, accounts=("main", "other")))[2] == "b SELF_TRADE"


def test_the_best_of_the_own_orders_is_the_one_that_is_met():
    rules = risk("portfolio", refuse_self_trade=True)
    rest = [
        buy(name, at=0, terms=limit(price)) for name, price in (("a", 97), ("c", 98), ("d", 96))
    ]
    entries = [*rest, buy("b", at=1), sell("b", at=3, terms=limit(98))]
    assert decisions(run_story(rules, FLAT, entries))[-1] == "b SELF_TRADE"


def test_an_exit_that_waits_for_its_entry_rests_nowhere():
    rules = risk("portfolio", refuse_self_trade=True)
    entries = [
        buy("a", at=0, terms=RESTING, exits=(Leg(SELL, D(1), limit(90)),)),
        buy("b", at=2, terms=limit(95)),
    ]
    assert decisions(run_story(rules, FLAT, entries))[-1] == "b APPROVED"


def test_an_own_order_that_is_gone_is_in_nobodys_way():
    rules = risk("portfolio", refuse_self_trade=True)
    entries = [
        buy("a", at=0, terms=RESTING),
        ask("a", at=2, cancels="a"),
        buy("b", at=3),
        sell("b", at=5, terms=limit(50)),
    ]
    assert decisions(run_story(rules, FLAT, entries))[-1] == "b APPROVED"


def test_cancels_are_limited_in_a_window_of_log_time():
    rules = risk(cancels_max=1, orders_window_ns=3 * S)
    entries = [buy(name, at=0, terms=RESTING) for name in "abc"]
    entries += [ask(name, at=at, cancels=name) for name, at in (("a", 1), ("b", 2), ("b", 4))]
    facts = run_story(rules, FLAT, entries)
    assert decisions(facts)[3:] == ["b CANCEL_RATE"]
    assert (
        only(Decision, facts)[-1].detail == "CANCEL_RATE: observed=2, limit=1, scope=account:main"
    )
    entries.append(ask("c", at=6, cancels="c"))
    assert decisions(run_story(rules, FLAT, entries))[3:] == ["b CANCEL_RATE", "c CANCEL_RATE"]


def test_an_order_rests_for_a_time_before_it_is_canceled():
    entries = [
        buy("a", at=0, terms=RESTING),
        ask("a", at=1, cancels="a"),
        ask("a", at=2, cancels="a"),
    ]
    facts = run_story(risk(rest_min_ns=2 * S), FLAT, entries)
    assert decisions(facts) == ["a APPROVED", "a MIN_REST"]


def test_a_new_price_of_an_order_is_asked_like_that_of_a_new_order():
    rules = risk(collar_bps=1000.0, refuse_self_trade=True)
    entries = [
        buy("a", at=0, terms=limit(95)),
        ask("a", at=2, amends="a", limit=1),
        ask("a", at=3, amends="a", limit=94),
        ask("a", at=4, amends="a", limit="94.001"),
        buy("b", at=4),
        sell("b", at=6, terms=limit(105)),
        ask("a", at=7, amends="a", limit=105),
    ]
    facts = run_story(rules, FLAT, entries)
    assert decisions(facts) == [
        "a APPROVED", "a COLLAR", "a TICK", "b APPROVED", "b APPROVED", "a SELF_TRADE",
    ]  # fmt: skip


def test_counting_net_asks_none_of_them():
    rules = RiskRules("net", limits={"account:main": ScopeLimits("account:main", cancels_max=0)})
    entries = [
        buy("a", at=0, terms=RESTING),
        ask("a", at=1, amends="a", limit="50.001"),
        ask("a", at=2, cancels="a"),
    ]
    assert decisions(run_story(rules, FLAT, entries)) == ["a APPROVED"]


def test_what_is_known_of_no_correlation_moves_together_and_against_it_hedges():
    rules = risk(correlated_max=D(250))
    rows = [trade(1, 100), trade(2, 100, i=ETH), *FLAT[2:]]
    entries = [buy("a", at=1, size=2), buy("b", at=3, size="0.5", i=ETH), buy("c", at=4, i=ETH)]
    assert decisions(run_story(rules, rows, entries)) == [
        "a APPROVED",
        "b APPROVED",
        "c CORRELATED",
    ]


def test_cancels_of_a_window_survive_a_restart():
    state, limits = RiskState(), ScopeLimits("account:main", cancels_max=5, orders_window_ns=2 * S)
    for at in (1, 2, 3):
        state.add_cancel([limits], at * S)
    saved = msgspec.msgpack.decode(msgspec.msgpack.encode(state.snapshot()), type=RiskSnapshot)
    after = RiskState.restore(saved, OpenSizes())
    assert state.count_cancels(limits, 3 * S) == after.count_cancels(limits, 3 * S) == 2


def test_an_equal_order_in_other_digits_is_a_duplicate():
    entries = [
        buy("a", at=0, size="1.0", terms=limit("50.0")),
        buy("a", at=1, size="1", terms=limit("5E+1")),
        buy("a", at=2, size="1", terms=limit("50.5")),
        buy("a", at=3, size="1.5", terms=limit(50)),
    ]
    facts = run_story(risk(repeat_ns=9 * S), FLAT, entries)
    assert decisions(facts) == ["a APPROVED", "a DUPLICATE", "a APPROVED", "a APPROVED"]
