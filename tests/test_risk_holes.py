"""Holes that other systems had in their checks, each a story at the desk that must not have it."""

from decimal import Decimal as D

import pytest
from msgspec import json
from msgspec.structs import replace

from tapeflow.schemas.accounts import Decision, Position
from tapeflow.schemas.instruments import InstrumentTable
from tapeflow.schemas.order_events import OrderEvent
from tapeflow.schemas.orders import Fill, Order, Terms
from tapeflow.schemas.sides import SELL
from tests.desk_stories import ETH, ask, buy, desk, limit, only, sell, trade
from tests.plain_flow import INSTRUMENTS
from tests.test_risk_exposure import risk
from tests.test_trading_states import PERP, decision_lines, held, rows_of, run, run_once, to

CLIPPED = Terms(reduce_only=True)


def with_rows(**changes):
    """Return the instruments, each with some changes."""
    return InstrumentTable.from_rows(replace(each, **changes) for each in INSTRUMENTS.rows)


def filled(facts):
    """Return what was filled, signed, by strategy."""
    return [(each.strategy, each.side * each.size) for each in only(Fill, facts)]


# --- NautilusTrader -------------------------------------------------------------------------------


def test_an_account_of_unknown_equity_opens_nothing():
    """NautilusTrader let every order pass where the account was not in its cache."""
    facts, _ = run(rows_of(4), [buy("a", at=1)], rules=risk(leverage_max=9.0))
    assert decision_lines(facts) == [
        "a LEVERAGE_LIMIT"
    ]  # it has no capital: there is no equity to lend on


def test_a_market_order_without_a_price_has_no_notional_that_passes():
    """NautilusTrader warned of a market order without a price, and skipped notional and margin."""
    entries = [buy("a", at=1, i=ETH), buy("b", at=1)]
    facts, _ = run(rows_of(4), entries, rules=risk(notional_max=D(100)))
    assert sorted(decision_lines(facts)) == ["a MARK_UNKNOWN", "b APPROVED"]


@pytest.mark.parametrize("flips", [False, True])
def test_reducing_turns_no_position_and_opens_none(flips):
    """NautilusTrader let a sale in REDUCING exceed the long, and anything open when flat."""
    entries = [
        buy("a", at=0, size=2, i=PERP),
        sell("a", at=3, size=5, i=PERP),
        sell("a", at=4, size=2, i=PERP),
        sell("a", at=4, size=1, i=PERP, price=101),
        sell("a", at=7, size=1, i=PERP),
    ]
    rules = risk(flips=flips)
    facts, state = run(rows_of(9, i=PERP), entries, (2, to("REDUCING")), rules=rules)
    assert decision_lines(facts) == ["a APPROVED", "a STATE", "a APPROVED", "a STATE", "a STATE"]
    assert held(state) == {}


def test_an_amended_size_is_asked_for_position_and_notional():
    """NautilusTrader asked neither notional nor margin of a modified order."""
    for limits, code in (
        ({"position_max": D(3)}, "POSITION_LIMIT"),
        ({"gross_max": D(300)}, "GROSS_LIMIT"),
        ({"notional_max": D(300)}, "NOTIONAL_MAX"),
        ({"size_max": D(3)}, "SIZE_MAX"),
    ):
        resting = buy("a", at=0, terms=limit(90))
        facts, _ = run(
            rows_of(6), [resting, ask("a", at=2, amends="a", size=9)], rules=risk(**limits)
        )
        assert decision_lines(facts) == ["a APPROVED", f"a {code}"]


@pytest.mark.parametrize("limits", [{"size_max": D(3)}, {"notional_max": D(300)}])
def test_an_order_does_not_grow_past_its_limit_by_small_amendments(limits):
    """NautilusTrader asked neither notional nor margin of a modified order."""
    steps = [ask("a", at=at, amends="a", size=size) for at, size in ((1, 2), (2, 3), (3, 4))]
    facts, state = run(rows_of(6), [buy("a", at=0, terms=limit(90)), *steps], rules=risk(**limits))
    assert decision_lines(facts) == ["a APPROVED", f"a {next(iter(limits)).upper()}"]
    (working,) = state.orders.living_of("a")
    assert working.target == 3


def test_a_new_price_is_asked_for_the_notional_of_the_whole_order():
    """NautilusTrader asked no notional of a modified order."""
    entries = [
        buy("a", at=0, size=3, terms=limit(90)),
        ask("a", at=2, amends="a", limit=101),
        ask("a", at=3, amends="a", limit=99),
    ]
    facts, state = run(rows_of(6, size=0.5), entries, rules=risk(notional_max=D(300)))
    assert decision_lines(facts) == ["a APPROVED", "a NOTIONAL_MAX"]
    (working,) = state.orders.living_of("a")
    assert working.terms.limit == 99


def test_multiples_of_tick_and_lot_are_asked_before_the_venue():
    """NautilusTrader never checked multiples of tick and lot."""
    entries = [
        buy("a", at=1, terms=limit("90.001")),
        buy("b", at=1, size="0.15"),
        buy("c", at=1, terms=Terms(type="stop", trigger=D("110.001"))),
        buy("d", at=1, terms=limit(90)),
    ]
    facts, _ = run(rows_of(4), entries)
    assert sorted(decision_lines(facts)) == ["a TICK", "b LOT", "c TICK", "d APPROVED"]
    assert [each.strategy for each in only(Order, facts)] == ["d"]


def test_an_exit_needs_no_balance():
    """NautilusTrader refused what reduces for want of balance (#2986, #3256)."""
    rows = [trade(1, 100, 9, i=PERP), trade(2, 100, 9, i=PERP), *rows_of(5, 20, i=PERP, begin=3)]
    entries = [
        buy("a", at=0, size=2, i=PERP),
        buy("b", at=3, i=PERP),
        sell("a", at=4, size=2, i=PERP),
    ]
    rules = desk(risk=risk(leverage_max=2.0))
    poor = {"main": replace(rules.accounts["main"], capital=D(120))}
    facts, state = run_once(replace(rules, accounts=poor), rows, entries, (), restored=True)
    assert decision_lines(facts) == ["a APPROVED", "b LEVERAGE_LIMIT", "a APPROVED"]
    assert held(state) == {}


def test_the_rest_of_a_position_is_never_too_small_to_close():
    """NautilusTrader refused reduce-only orders below the least notional (#4695)."""
    small = with_rows(min_notional=D(150), min_size=D(2))
    rows = [*rows_of(3, i=PERP), *rows_of(6, 40, i=PERP, begin=4)]
    entries = [buy("a", at=0, size=3, i=PERP), sell("a", at=4, size=2, i=PERP, terms=CLIPPED)]
    entries += [buy("b", at=4, i=PERP), sell("a", at=6, size=1, i=PERP, terms=CLIPPED)]
    facts, state = run(rows, entries, instruments=small)
    assert decision_lines(facts) == ["a APPROVED", "a APPROVED", "b SIZE_MIN", "a APPROVED"]
    assert held(state) == {}
    _, state = run(rows, entries[:2], (6, to("KILLED")), instruments=small)
    assert held(state) == {}


def test_reduce_only_fills_end_where_the_position_does():
    """NautilusTrader filled reduce-only orders past the position (#4264, #437)."""
    clipped = [sell("a", at=at, size=9, i=PERP, terms=CLIPPED) for at in (2, 3)]
    resting = sell("a", at=1, size=9, i=PERP, terms=limit(101, reduce_only=True))
    rows = [*rows_of(3, i=PERP), *rows_of(6, 102, i=PERP, begin=4)]
    for exits in (clipped, [resting, clipped[0]], [resting, *clipped]):
        facts, state = run(rows, [buy("a", at=0, size=2, i=PERP), *exits])
        assert filled(facts) == [("a", 2), ("a", -2)]
        assert held(state) == {}


def test_what_closes_in_an_emergency_goes_the_way_of_every_order():
    """NautilusTrader's emergency exit went to the venue beside its own engine (#4761)."""
    facts, _state = run(rows_of(8), [buy("a", at=0, size=2)], (3, to("KILLED")))
    (order,) = [each for each in only(Order, facts) if each.side == SELL]
    (decision,) = [each for each in only(Decision, facts) if each.order_id == order.id]
    assert decision.decision == "APPROVED"
    codes = {each[0] for each in json.decode(decision.checks)}
    assert {"PRICE_RANGE", "STATE", "LOT"} <= codes
    kinds = [each.kind for each in only(OrderEvent, facts) if each.order_id == order.id]
    assert kinds[0] == "SENT" and kinds[-1] in ("FILLED", "FILL")
    (fill,) = [each for each in only(Fill, facts) if each.order_id == order.id]
    (sold,) = [each for each in only(Position, facts) if each.fill_id == fill.id]
    assert (sold.strategy, sold.quantity) == ("a", 0)  # of who held it, and not of nobody


# --- gocryptotrader, freqtrade --------------------------------------------------------------------


def test_all_in_one_instrument_is_seen():
    """The check of gocryptotrader for this (areWeAllIn) found nothing, whatever was held."""
    entries = [buy("a", at=0), buy("b", at=2, i=ETH)]
    rows = [trade(1, 100), trade(2, 100, i=ETH), trade(3, 100)]
    for limits, code in (
        ({"concentration_max": 0.5}, "CONCENTRATION"), ({"effective_min": 2.0}, "EFFECTIVE_NUMBER"),
    ):  # fmt: skip
        facts, _ = run(rows, entries, rules=risk("portfolio", **limits))
        assert decision_lines(facts)[0] == f"a {code}"


def test_strategies_of_one_account_share_its_limits():
    """Several bots on one account each took all of it for their own in freqtrade (#8815, #3906)."""
    entries = [
        buy("a", at=0, size=2),
        buy("b", at=1, size=2),
        buy("b", at=1, size=1, account="other"),
    ]
    facts, _ = run(rows_of(4), entries, rules=risk(position_max=D(3)), accounts=("main", "other"))
    assert sorted(decision_lines(facts)) == ["a APPROVED", "b APPROVED", "b POSITION_LIMIT"]
