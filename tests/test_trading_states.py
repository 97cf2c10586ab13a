"""Trading states: what each lets pass, and a kill that ends flat, from any moment."""

from decimal import Decimal as D
from decimal import localcontext

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tapeflow.operators.desk.risk.rules import NET, RiskRules
from tapeflow.operators.desk.risk.states import cancel_scope, change_state, flatten
from tapeflow.operators.desk.selection import desk_batch
from tapeflow.operators.desk.step import Desk
from tapeflow.schemas.accounts import Decision, Position
from tapeflow.schemas.decimals import DECIMAL_CONTEXT
from tapeflow.schemas.instruments import InstrumentTable
from tapeflow.schemas.orders import Fill, Order, Terms
from tapeflow.schemas.sides import BUY, SELL
from tapeflow.schemas.signals import Leg, Slicing
from tapeflow.schemas.states import Cause, StateChange
from tests.desk_stories import (
    BTC,
    ETH,
    ask,
    batches_of,
    buy,
    desk,
    limit,
    ns,
    only,
    sell,
    trade,
)
from tests.frames import S
from tests.laws import plain
from tests.plain_flow import IDS, INSTRUMENTS

PERP = IDS.index("BTC-USDT-PERP.BINANCE-USDM")
BY_RULE, BY_COMMAND = Cause("rule", "TEST"), Cause("command", "an id", "alice")
RULES = RiskRules()


def to(state_name, scope="portfolio", by=BY_RULE):
    """Return what changes the state of a scope."""
    return lambda state, rules: change_state(state, rules, scope, state_name, by)


def close(scope="portfolio"):
    return lambda state, rules: flatten(state, rules, scope, BY_RULE)


def run_once(rules, rows, requests, changes, *, restored):
    """Return the facts of a story; `changes` are made after the row of their number."""
    step = Desk(rules)
    state, facts = step.initial(), []
    for number, each in enumerate(batches_of(rows, requests, one_by_one=True)):
        if restored:
            state = step.restore(step.snapshot(state))
        state, out = step.step(state, desk_batch(each, rules))
        facts += out
        for change in [change for at, change in changes if at == number]:
            with localcontext(DECIMAL_CONTEXT):
                facts += change(state, rules)
    return facts, state


def run(rows, requests, *changes, rules=RULES, **more):
    """Return facts and state of a story; the same where it is restored before each record."""
    rules = desk(risk=rules, **more)
    facts, state = run_once(rules, rows, requests, changes, restored=False)
    again, _ = run_once(rules, rows, requests, changes, restored=True)
    assert plain(again) == plain(facts)
    return facts, state


def decision_lines(facts):
    return [f"{each.strategy} {each.reason or each.decision}" for each in only(Decision, facts)]


def changed(facts):
    return [f"{each.scope} {each.event} {each.state}" for each in only(StateChange, facts)]


def held(state):
    """Return what is held, by strategy and instrument."""
    return {
        (strategy, name): position.quantity
        for account in state.accounts.values()
        for strategy, sums in account.money.books.sums.items()
        for name, position in sums.open.items()
    }


def rows_of(count, price=100, *, i=BTC, size=9, begin=1):
    return [trade(begin + number, price, size, i=i) for number in range(count)]


LONG = [buy("a", at=0, size=2), buy("b", at=1, size=1)]


@pytest.mark.parametrize(
    ("name", "open_", "exit_"),
    [
        ("REDUCING", "STATE", "APPROVED"),
        ("HALTED", "STATE", "STATE"),
        ("KILLED", "STATE", "STATE"),
    ],
)
def test_each_state_lets_pass_what_it_says(name, open_, exit_):
    later = [buy("c", at=4), sell("a", at=4)]
    facts, _ = run(rows_of(8), [*LONG, *later], (3, to(name)))
    assert {*decision_lines(facts)[2:4]} >= {f"c {open_}"} or f"c {open_}" in decision_lines(facts)
    assert f"a {exit_}" in [
        f"{each.strategy} {each.reason or each.decision}"
        for each in only(Decision, facts)
        if each.time_ns == ns(5) and each.side == SELL and not each.signal_id.startswith("states/")
    ]


def test_a_state_ends_only_where_it_is_changed_again():
    facts, _ = run(
        rows_of(8),
        [buy("a", at=2), buy("b", at=5)],
        (1, to("HALTED")),
        (4, to("ACTIVE", by=BY_COMMAND)),
    )
    assert decision_lines(facts) == ["a STATE", "b APPROVED"]
    assert changed(facts) == ["portfolio CHANGED HALTED", "portfolio CHANGED ACTIVE"]


@pytest.mark.parametrize(
    ("scope", "reasons"),
    [
        ("strategy:a", ["a STATE", "b APPROVED"]),
        ("account:main", ["a STATE", "b STATE"]),
        ("account:other", ["a APPROVED", "b APPROVED"]),
        ("venue:BINANCE", ["a STATE", "b STATE"]),
        (f"instrument:{IDS[ETH]}", ["a APPROVED", "b APPROVED"]),
    ],
)
def test_the_most_severe_state_of_all_scopes_decides(scope, reasons):
    requests = [buy("a", at=2), buy("b", at=3)]
    facts, _ = run(rows_of(6), requests, (1, to("HALTED", scope)))
    assert decision_lines(facts) == reasons


def test_the_same_state_again_changes_nothing():
    facts, _ = run(rows_of(6), LONG, (2, to("KILLED")), (3, to("KILLED")), (5, to("KILLED")))
    assert changed(facts) == ["portfolio CHANGED KILLED", "portfolio FLAT KILLED"]


def test_a_halt_cancels_entries_and_leaves_exits_at_work():
    exits = (Leg(SELL, D(2), limit(200, reduce_only=True)),)
    requests = [buy("a", at=0, size=2, exits=exits), buy("b", at=2, size=3, terms=limit(50))]
    _, state = run(rows_of(8), requests, (4, to("HALTED")))
    assert [each.order.strategy for each in state.orders.living_of("b")] == []
    assert [each.order.role for each in state.orders.living_of("a")] == ["exit"]
    assert held(state) == {("a", IDS[BTC]): D(2)}


def test_a_kill_cancels_all_closes_all_and_says_flat():
    exits = (Leg(SELL, D(2), limit(200, reduce_only=True)),)
    requests = [
        buy("a", at=0, size=2, exits=exits),
        buy("b", at=1, size=3, terms=limit(50)),
        sell("c", at=2, size=4, i=PERP),
        buy("d", at=2, size=4, slicing=Slicing(kind="twap", count=4, every_ns=3 * S)),
    ]
    rows = [*rows_of(6), *rows_of(6, i=PERP, begin=7), *rows_of(6, begin=13)]
    facts, state = run(rows, requests, (8, to("KILLED")))
    assert held(state) == {}
    assert [*state.orders.living_of("a"), *state.orders.living_of("d")] == []
    assert changed(facts) == ["portfolio CHANGED KILLED", "portfolio FLAT KILLED"]
    closing = [each for each in only(Order, facts) if each.signal_id == "states/1"]
    assert {each.strategy for each in closing} == {"a", "d"} | ({"c"} if sold(facts) else set())
    assert all(each.reduce_only for each in closing)


def sold(facts):
    return [each for each in only(Fill, facts) if each.strategy == "c"]


def test_a_kill_while_an_entry_is_partly_filled_closes_what_was_filled():
    rows = [trade(number, 100, 1) for number in range(1, 12)]
    requests = [buy("a", at=0, size=5)]
    facts, state = run(rows, requests, (3, to("KILLED")), slip=None, model="sized")
    assert held(state) == {}
    bought = sum(each.size for each in only(Fill, facts) if each.side == BUY)
    assert 0 < bought < 5
    assert changed(facts)[-1] == "portfolio FLAT KILLED"


def test_nothing_is_closed_without_a_price_and_that_is_said_once():
    rows = [trade(1, 100, 9), trade(2, 100, 9), *rows_of(5, i=ETH, begin=3)]
    facts, state = run(rows, [buy("a", at=0)], (2, to("KILLED", f"instrument:{IDS[ETH]}")))
    assert changed(facts) == [
        f"instrument:{IDS[ETH]} CHANGED KILLED", f"instrument:{IDS[ETH]} FLAT KILLED",
    ]  # fmt: skip
    assert held(state) == {("a", IDS[BTC]): D(1)}


def test_a_market_that_is_gone_is_tried_again_and_said_once():
    patient = {"patience": 0.5}
    rows = [
        trade(1, 100, 9),
        trade(1.4, 100, 9),
        *rows_of(60, i=ETH, begin=3),
        trade(70, 100, 9),
        trade(71, 100, 9),
        trade(72, 100, 9),
    ]
    facts, state = run(rows, [buy("a", at=0)], (2, to("KILLED")), **patient)
    assert changed(facts) == [
        "portfolio CHANGED KILLED", "portfolio STUCK KILLED", "portfolio FLAT KILLED",
    ]  # fmt: skip
    stuck = only(StateChange, facts)[1]
    assert "more than 20 rounds" in stuck.detail
    before = only(Order, facts[: facts.index(stuck)])
    assert len([each for each in before if each.reduce_only]) == 21
    assert held(state) == {}


def test_what_is_too_large_for_the_venue_is_closed_in_parts():
    instruments = InstrumentTable.from_rows(
        replace(each, max_size=D(2)) for each in INSTRUMENTS.rows
    )
    requests = [buy("a", at=number, size=2) for number in range(3)]
    facts, state = run(rows_of(20), requests, (4, to("KILLED")), instruments=instruments)
    assert held(state) == {}
    assert [each.size for each in only(Order, facts) if each.reduce_only] == [D(2)] * 3


def test_two_scopes_that_are_closed_at_once_do_not_cancel_each_other():
    changes = [(3, to("KILLED")), (3, to("KILLED", "account:main")), (3, close("strategy:a"))]
    facts, state = run(rows_of(12), LONG, *changes)
    assert held(state) == {}
    assert sorted(changed(facts)[-3:]) == [
        "account:main FLAT KILLED", "portfolio FLAT KILLED", "strategy:a FLAT ACTIVE",
    ]  # fmt: skip
    assert len([each for each in only(Order, facts) if each.reduce_only]) == 2


def test_a_rule_makes_a_state_only_more_severe_and_a_command_any():
    _, state = run(rows_of(8), [], (1, to("KILLED")), (2, to("HALTED")), (3, to("ACTIVE")))
    assert state.risk.trading.of("portfolio") == "KILLED"
    _, state = run(rows_of(8), [], (1, to("KILLED")), (3, to("REDUCING", by=BY_COMMAND)))
    assert state.risk.trading.of("portfolio") == "REDUCING"
    assert state.risk.trading.closings == {}


def test_an_exit_may_be_moved_while_trading_is_halted():
    exits = (Leg(SELL, D(2), limit(200, reduce_only=True)),)
    requests = [buy("a", at=0, size=2, exits=exits)]
    halted = [(3, to("HALTED"))]
    facts, _ = run(rows_of(4), requests, *halted)
    (moved,) = [each for each in only(Order, facts) if each.role == "exit"]
    later = ask("a", at=5, amends=moved.id, limit=150)
    facts, state = run(rows_of(8), [*requests, later], *halted)
    (working,) = state.orders.living_of("a")
    assert working.terms.limit == D(150)


def test_flatten_closes_and_leaves_the_state():
    facts, state = run(rows_of(10), [*LONG, buy("c", at=8)], (3, close()))
    assert changed(facts) == ["portfolio CLOSING ACTIVE", "portfolio FLAT ACTIVE"]
    assert held(state) == {("c", IDS[BTC]): D(1)}


def test_of_another_scope_nothing_is_closed():
    facts, state = run(rows_of(10), LONG, (3, to("KILLED", "strategy:a")))
    assert held(state) == {("b", IDS[BTC]): D(1)}
    assert changed(facts)[-1] == "strategy:a FLAT KILLED"


def test_cancel_leaves_positions_and_states():
    requests = [buy("a", at=0), buy("b", at=1, terms=limit(50))]
    cancel = lambda state, rules: cancel_scope(state, rules, "account:main")  # noqa: E731
    facts, state = run(rows_of(8), requests, (3, cancel))
    assert held(state) == {("a", IDS[BTC]): D(1)}
    assert [*state.orders.living_of("b")] == []
    assert changed(facts) == []


def test_states_are_obeyed_where_exposure_counts_net_too():
    facts, state = run(rows_of(10), [*LONG, buy("c", at=7)], (3, to("KILLED")), rules=NET)
    assert decision_lines(facts)[-1] == "c STATE"
    assert held(state) == {}


ORDERS = st.lists(
    st.tuples(
        st.integers(0, 14), st.sampled_from("abc"), st.sampled_from([BUY, SELL]),
        st.sampled_from([D(1), D(2), D(5)]), st.sampled_from([BTC, PERP]),
        st.sampled_from([Terms(), limit(95), limit(105), Terms(type="stop", trigger=D(104))]),
    ),
    max_size=10,
)  # fmt: skip
PRICES = st.lists(st.integers(94, 106), min_size=15, max_size=15)


@settings(max_examples=60, deadline=None)
@given(ORDERS, PRICES, st.integers(0, 14), st.sampled_from([0, None]))
def test_a_kill_ends_flat_whatever_is_at_work_and_enlarges_nothing(asks, prices, at, slip):
    rows = [
        trade(1 + number + place / 2, price, 2, i=instrument)
        for number, price in enumerate(prices)
        for place, instrument in enumerate((BTC, PERP))
    ]
    quiet = [
        trade(20 + number + place / 2, 100, 3, i=instrument)
        for number in range(40)
        for place, instrument in enumerate((BTC, PERP))
    ]
    unique = {(row, strategy): each for row, strategy, *each in asks}
    requests = [
        ask(strategy, at=2 * row, side=side, size=size, i=instrument, terms=terms)
        for (row, strategy), (side, size, instrument, terms) in unique.items()
    ]
    facts, state = run(rows + quiet, requests, (2 * at, to("KILLED")), slip=slip)
    assert held(state) == {}
    assert changed(facts) == ["portfolio CHANGED KILLED", "portfolio FLAT KILLED"]
    names = [each.id for each in only(Order, facts)]
    assert len(names) == len(set(names))
    begun = next(n for n, each in enumerate(facts) if isinstance(each, StateChange))
    sizes: dict[tuple[str, str], D] = {}
    for each in only(Position, facts[:begun]):
        sizes[each.strategy, each.instrument] = each.quantity
    closing = {each.id for each in only(Order, facts) if each.signal_id == "states/1"}
    filled = {each.id: each.order_id for each in only(Fill, facts)}
    for each in only(Position, facts[begun:]):
        key = each.strategy, each.instrument
        if filled[each.fill_id] in closing:
            assert abs(each.quantity) < abs(sizes[key]) and each.quantity * sizes[key] >= 0
        sizes[key] = each.quantity


@pytest.mark.parametrize(
    ("side", "reasons"),
    [
        ("BUY", ["a RESTRICTED", "c APPROVED"]), ("SELL", ["a APPROVED", "c RESTRICTED"]),
        ("both", ["a RESTRICTED", "c RESTRICTED"]), ("", ["a APPROVED", "c APPROVED"]),
    ],
)  # fmt: skip
def test_what_a_command_restricts_is_not_opened(side, reasons):
    def restrict(state, rules):
        state.risk.overrides.restricted["account:main"] = side
        return iter(())

    requests = [buy("a", at=3, i=PERP), sell("c", at=4, i=PERP)]
    facts, _ = run(rows_of(8, i=PERP), requests, (1, restrict))
    assert decision_lines(facts) == reasons


def test_a_halt_of_a_scope_leaves_the_entries_of_others():
    requests = [buy(name, at=0, i=PERP, terms=limit(50)) for name in "ab"]
    _, state = run(rows_of(6, i=PERP), requests, (2, to("HALTED", "strategy:a")))
    assert [*state.orders.living_of("a")] == []
    assert len([*state.orders.living_of("b")]) == 1
