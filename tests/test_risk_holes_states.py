"""Holes that other systems had in halts, kills and closings, each a story that must not have it."""

from decimal import Decimal as D
from decimal import localcontext

from msgspec import Struct
from msgspec.structs import replace

from tapeflow.operators.desk.risk import run as checks
from tapeflow.operators.desk.selection import desk_batch
from tapeflow.operators.desk.step import Desk
from tapeflow.schemas.accounts import Decision
from tapeflow.schemas.decimals import DECIMAL_CONTEXT
from tapeflow.schemas.instruments import InstrumentTable
from tapeflow.schemas.limits import Hours
from tapeflow.schemas.order_events import OrderEvent
from tapeflow.schemas.orders import Order, Terms
from tapeflow.schemas.risk import Finding
from tapeflow.schemas.sides import SELL
from tapeflow.schemas.signals import Leg
from tests.desk_stories import BTC, batches_of, buy, desk, limit, ns, only, sell, trade
from tests.frames import S
from tests.plain_flow import IDS, INSTRUMENTS
from tests.test_risk_exposure import risk
from tests.test_trading_states import (
    BY_COMMAND,
    PERP,
    changed,
    close,
    decision_lines,
    held,
    rows_of,
    run,
    to,
)

LONG = buy("a", at=0, size=2, i=PERP)
PERPS = {"i": PERP}


def open_orders(state, *strategies):
    return [each.order.id for name in strategies for each in state.orders.living_of(name)]


# --- LEAN -----------------------------------------------------------------------------------------
# Stops, locks and trailing of `[[protect]]` (the same after a stop; #6344, #2716) are in the tests
# of supervision.


def test_a_strategy_that_was_liquidated_does_not_buy_again():
    """LEAN liquidated, kept the insights, and bought again at the next bar (#7104, #7118)."""
    again = [buy("a", at=at, size=2, i=PERP) for at in (4, 6, 9)]
    for scope in ("portfolio", "account:main", "strategy:a", f"instrument:{IDS[PERP]}"):
        facts, state = run(rows_of(12, **PERPS), [LONG, *again], (3, to("KILLED", scope)))
        assert [each for each in decision_lines(facts) if each == "a STATE"] == ["a STATE"] * 3
        assert held(state) == {}


def test_a_limit_order_that_rests_fills_nothing_after_a_liquidation():
    """LEAN liquidated the holding, and an order that was open filled later (#7101, #7111)."""
    resting = [buy("a", at=at, i=PERP, terms=limit(price)) for at, price in ((1, 95), (2, 90))]
    rows = [*rows_of(6, **PERPS), *rows_of(6, 80, begin=7, **PERPS)]
    for change in (to("KILLED"), close()):
        _facts, state = run(rows, [LONG, *resting], (3, change))
        assert held(state) == {}
        assert open_orders(state, "a") == []


def test_a_state_is_left_by_a_command_and_by_nothing_else():
    """LEAN stayed out of the market for ever once its drawdown was hit (#4846)."""
    later = [buy("b", at=at) for at in (3, 9, 12)]
    for name in ("REDUCING", "HALTED", "KILLED"):
        changes = [(1, to(name)), (5, to("ACTIVE")), (10, to("ACTIVE", by=BY_COMMAND))]
        facts, state = run(rows_of(15), later, *changes)
        assert decision_lines(facts) == ["b STATE", "b STATE", "b APPROVED"]
        assert held(state) == {("b", IDS[BTC]): D(1)}


# --- Hummingbot, go-trader ------------------------------------------------------------------------


def test_a_kill_goes_on_where_one_position_cannot_be_closed():
    """Hummingbot's kill switch ended with its own first error, and all stayed open (#2534)."""
    lively = [trade(2 + number * 0.4, 100, 9, i=PERP) for number in range(60)]
    back = [trade(50 + number * 0.4, 100, 9) for number in range(4)]
    rows = [trade(1, 100, 9), trade(1.4, 100, 9), *lively, *back]
    entries = [buy("a", at=0), buy("b", at=2, size=2, i=PERP)]
    _, state = run(rows[:6], entries, patience=0.5)
    assert held(state) == {("a", IDS[BTC]): D(1), ("b", IDS[PERP]): D(2)}
    facts, state = run(rows[:62], entries, (3, to("KILLED")), patience=0.5)
    assert held(state) == {("a", IDS[BTC]): D(1)}
    assert changed(facts) == ["portfolio CHANGED KILLED", "portfolio STUCK KILLED"]
    facts, state = run(rows, entries, (3, to("KILLED")), patience=0.5)
    assert held(state) == {}
    assert changed(facts)[-1] == "portfolio FLAT KILLED"


TIGHT = risk(
    "portfolio", position_max=D(0), gross_max=D(0), net_max=D(0), leverage_max=0.1, orders_max=0,
    size_max=D(0), notional_max=D(0), open_orders_max=0, cancels_max=0, rest_min_ns=999 * S,
    restricted="both", concentration_max=0.1, effective_min=9.0, refuse_crossed=True,
    trade_age_ns=0, quote_age_ns=0, clock_offset_ns=0, collar_bps=0.1, touch_bps=0.1,
    refuse_self_trade=True, correlated_max=D(0), repeat_ns=999 * S, approval_above=D(0),
    hours=(Hours(0, 1),), daily_loss=D(0), drawdown=0.001, losses_max=0,
)  # fmt: skip


def test_no_limit_of_strategies_stands_in_the_way_of_a_kill():
    """Hummingbot's kill switch ended with its own first error (#2534); a refusal would be one."""
    small = InstrumentTable.from_rows(
        replace(each, min_size=D(9), min_notional=D(10**6)) for each in INSTRUMENTS.rows
    )
    entries = [LONG, buy("b", at=1, i=PERP, terms=limit(90)), sell("c", at=1, i=PERP)]
    loose, tight = Desk(desk()), Desk(desk(risk=TIGHT, instruments=small))
    state, facts = loose.initial(), []
    for number, each in enumerate(batches_of(rows_of(12, **PERPS), entries, one_by_one=True)):
        if number == 4:
            assert held(state) == {("a", IDS[PERP]): D(2), ("c", IDS[PERP]): D(-1)}
            state = tight.restore(loose.snapshot(state))
            with localcontext(DECIMAL_CONTEXT):
                facts += to("KILLED")(state, tight.settings)
        step = loose if number < 4 else tight
        state, out = step.step(state, desk_batch(each, step.settings))
        facts += out
    assert (held(state), open_orders(state, "b")) == ({}, [])
    assert changed(facts) == ["portfolio CHANGED KILLED", "portfolio FLAT KILLED"]


def test_what_is_closed_in_equal_parts_repeats_nothing():
    """Hummingbot's kill switch ended with its own first error (#2534): here DUPLICATE was one."""
    instruments = InstrumentTable.from_rows(
        replace(each, max_size=D(2)) for each in INSTRUMENTS.rows
    )
    entries = [buy("a", at=at, size=2, i=PERP, price=100 + at) for at in (0, 2, 4)]
    own = sell("a", at=6, size=2, i=PERP, terms=Terms(reduce_only=True))
    rules = risk("portfolio", repeat_ns=2 * S)
    facts, _ = run(rows_of(20, **PERPS), entries, rules=rules, instruments=instruments)
    assert decision_lines(facts) == ["a APPROVED"] * 3
    quick = [trade(8 + number / 100, 100, 9, i=PERP) for number in range(1, 30)]
    rows = [*rows_of(7, **PERPS), *quick]
    facts, state = run(
        rows, [*entries, own], (8, to("KILLED")), rules=rules, instruments=instruments
    )
    assert held(state) == {}
    assert "portfolio STUCK KILLED" not in changed(facts)


def test_after_a_kill_trading_is_resumed_by_a_command():
    """Hummingbot could not go on after its kill switch (#2697)."""
    resumed = (8, to("ACTIVE", by=BY_COMMAND))
    facts, state = run(rows_of(14), [buy("a", at=0), buy("a", at=10)], (3, to("KILLED")), resumed)
    assert changed(facts) == [
        "portfolio CHANGED KILLED", "portfolio FLAT KILLED", "portfolio CHANGED ACTIVE",
    ]  # fmt: skip
    assert held(state) == {("a", IDS[BTC]): D(1)}


def test_a_kill_cancels_what_rests_of_a_strategy_that_holds_nothing():
    """go-trader's kill left the resting entries of strategies that were flat (#1462)."""
    resting = [buy(name, at=1, i=PERP, terms=limit(90)) for name in ("b", "c")]
    for change in (to("KILLED"), to("HALTED"), close()):
        _facts, state = run(rows_of(9, **PERPS), [LONG, *resting], (3, change))
        assert open_orders(state, "b", "c") == []
        _, flat = run(rows_of(9, **PERPS), resting, (3, change))
        assert open_orders(flat, "b", "c") == []


# --- bbgo, Binance --------------------------------------------------------------------------------


def test_a_breaker_that_fired_is_still_open_after_a_restart():
    """bbgo kept its circuit breaker in memory: a restart traded on."""
    later = [buy("a", at=at, i=PERP) for at in (5, 7)]
    for name in ("REDUCING", "HALTED", "KILLED"):  # `run` also restores before each record
        facts, state = run(rows_of(9, **PERPS), later, (2, to(name)))
        assert decision_lines(facts) == ["a STATE", "a STATE"]
        assert state.risk.trading.snapshot().of_scope == {"portfolio": name}


def test_reduce_only_orders_are_canceled_and_over_before_a_position_is_closed():
    """Binance refuses to close (-4118) while reduce-only orders are open for the same units."""
    exits = (Leg(SELL, D(2), limit(200, reduce_only=True)),)
    entries = [
        buy("a", at=0, size=2, i=PERP, exits=exits),
        sell("a", at=2, size=2, i=PERP, terms=limit(300, reduce_only=True)),
    ]
    facts, state = run(rows_of(14, **PERPS), entries, (3, to("KILLED")), cancel=2.5)
    assert held(state) == {}
    (closing,) = [each for each in only(Order, facts) if each.signal_id == "states/1"]
    ends = [
        number
        for number, each in enumerate(facts)
        if isinstance(each, OrderEvent) and each.end == "CANCELED"
    ]
    assert len(ends) == 2
    assert max(ends) < facts.index(closing)


class Never(Struct):
    """Refuse what closes for the sake of risk."""

    code = "NEVER"
    cuts = "never"

    def check(self, proposal):
        return Finding(self.code, False, None, None) if proposal.corrective else None


def test_a_closing_that_is_refused_is_tried_again_at_the_same_places_after_a_restart(monkeypatch):
    """Hummingbot's kill switch ended with its own first error (#2534); here it says what it was."""
    monkeypatch.setattr(checks, "CHECKS", (Never(),))
    facts, _state = run(rows_of(9, **PERPS), [LONG], (3, to("KILLED")))
    assert changed(facts) == ["portfolio CHANGED KILLED", "portfolio STUCK KILLED"]
    assert {*decision_lines(facts)[1:]} == {"a NEVER"}
    tried = {each.time_ns for each in only(Decision, facts) if each.reason}
    assert len(tried) > 5  # each second of log time
    assert max(tried) > ns(7)
