"""Orders that a second person approves, and counts of orders, fills and changes."""

from decimal import Decimal as D
from decimal import localcontext

import numpy as np
import pytest

from tapeflow.operators.desk.risk.control import Refusal, approve, set_state
from tapeflow.operators.desk.selection import desk_batch
from tapeflow.operators.desk.settings import ControlRules
from tapeflow.operators.desk.step import Desk
from tapeflow.schemas.accounts import Decision
from tapeflow.schemas.control import SignedCommand
from tapeflow.schemas.decimals import DECIMAL_CONTEXT
from tapeflow.schemas.limits import ScopeLimits
from tapeflow.schemas.orders import Order
from tests.columns import bar
from tests.desk_stories import BTC, ETH, batches_of, buy, limit, ns, only, sell, trade
from tests.plain_flow import IDS
from tests.supervised_stories import changes_of, decision_lines, held_at_end, make_desk

OWNED = ControlRules(60 * 10**9, {}, {"a": "alice"})


def rows_of(count, price=100):
    return [trade(1 + number, price, 99) for number in range(count)]


def run_with(settings, rows, asks, *commands, bars=()):
    """Return the facts of a story with commands (row, effect, command); refusals are facts too."""
    answers = []
    for restored in (False, True):
        step, facts = Desk(settings), []
        state = step.initial()
        for number, each in enumerate(batches_of(rows, asks, one_by_one=True, bars=bars)):
            if restored:
                state = step.restore(step.snapshot(state))
            state, out = step.step(state, desk_batch(each, settings))
            facts += out
            for _, effect, command in (each for each in commands if each[0] == number):
                name = next((each.order_id for each in only(Decision, facts)), "")
                command.args.update(order=name) if effect is approve else None
                try:
                    with localcontext(DECIMAL_CONTEXT):
                        facts += [*effect(state, settings, command)]
                except Refusal as refusal:
                    facts.append(refusal.args[0])
                state.risk.supervision.is_due = True
        answers.append(facts)
    assert [str(each) for each in answers[0]] == [str(each) for each in answers[1]]
    return answers[0]


def command(at, who="bob", action="approve", scope="portfolio"):
    """Return a command of somebody, after the row of a log second."""
    return SignedCommand("id", who, ns(at), action, scope, {}, "", ns(at), "binance-0", round(at))


def big(**fields):
    return ScopeLimits("portfolio", approval_above=D(500), approval_wait_ns=ns(10), **fields)


def test_an_order_that_needs_a_second_person_waits_and_goes_on_when_it_is_approved():
    settings = make_desk(big(), control=OWNED)
    asks = [buy("a", at=1, size=6), buy("b", at=1, size=5)]
    facts = run_with(settings, rows_of(9), asks, (4, approve, command(5)))
    assert decision_lines(facts) == ["2 a FOUR_EYES", "2 b APPROVED", "5 a APPROVED"]
    assert held_at_end(facts) == {("a", IDS[BTC]): 6, ("b", IDS[BTC]): 5}
    first, *_, last = [each for each in only(Decision, facts) if each.strategy == "a"]
    assert "control approve" in first.detail and first.order_id == last.order_id
    assert (first.approved_by, last.approved_by) == ("", "bob")
    assert [each.time_ns for each in only(Order, facts) if each.strategy == "a"] == [ns(5)]


@pytest.mark.parametrize(
    ("at", "who", "answer"),
    [(5, "alice", "SELF_APPROVED"), (13, "bob", "NOTHING_TO_DO"), (12, "bob", None)],
)
def test_neither_the_owner_nor_anybody_too_late_approves(at, who, answer):
    settings = make_desk(big(), control=OWNED)
    facts = run_with(
        settings, rows_of(20), [buy("a", at=1, size=6)], (at - 1, approve, command(at, who))
    )
    assert [each for each in facts if isinstance(each, str)] == ([answer] if answer else [])
    assert bool(held_at_end(facts)) == (answer is None)


def test_an_order_is_approved_once():
    settings, asks = make_desk(big(), control=OWNED), [buy("a", at=1, size=6)]
    twice = [(4, approve, command(5)), (5, approve, command(6))]
    facts = run_with(settings, rows_of(9), asks, *twice)
    assert [each for each in facts if isinstance(each, str)] == ["NOTHING_TO_DO"]
    assert held_at_end(facts) == {("a", IDS[BTC]): 6}


def test_what_is_approved_meets_all_other_checks_at_the_place_of_the_approval():
    settings = make_desk(big(gross_max=D(1000)), control=OWNED)
    asks = [buy("a", at=1, size=6), buy("b", at=2, size=5)]
    facts = run_with(settings, rows_of(9), asks, (4, approve, command(5)))
    assert decision_lines(facts) == ["2 a FOUR_EYES", "3 b APPROVED", "5 a GROSS_LIMIT"]
    assert held_at_end(facts) == {("b", IDS[BTC]): 5}


def test_what_only_reduces_needs_nobody():
    asks = [buy("a", at=0, size=5), buy("a", at=1, size=5), sell("a", at=4, size=10)]
    facts = run_with(make_desk(big(), control=OWNED), rows_of(9), asks)
    assert decision_lines(facts)[-1] == "5 a APPROVED"


def test_orders_and_changes_of_a_day_are_counted_for_each_fill():
    rule = ScopeLimits("strategy:a", order_to_trade_max=3.0)
    rest = limit(50)
    asks = [buy("a", at=0), *(buy("a", at=n, terms=rest) for n in (3, 4, 5, 6))]
    facts = run_with(make_desk(rule), rows_of(12), asks)
    assert decision_lines(facts)[1:] == [
        "4 a APPROVED",
        "5 a APPROVED",
        "6 a ORDER_TO_TRADE",
        "7 a ORDER_TO_TRADE",
    ]
    next_day = [trade(86_400 + n, 100, 9) for n in range(4)]
    asks += [buy("a", at=12, terms=rest)]
    facts = run_with(make_desk(rule), [*rows_of(12), *next_day], asks)
    assert decision_lines(facts)[-1] == "86400 a APPROVED"


def test_trading_stops_after_so_many_executions_and_a_resume_begins_anew():
    rule = ScopeLimits("strategy:a", repeats_max=2)
    asks = [buy("a", at=n) for n in (0, 2, 4, 8)]
    resume = command(7, action="resume", scope="strategy:a")
    facts = run_with(make_desk(rule), rows_of(14), asks, (6, set_state, resume))
    assert decision_lines(facts) == ["1 a APPROVED", "3 a APPROVED", "5 a STATE", "9 a APPROVED"]
    assert [each.split()[1:5] for each in changes_of([f for f in facts if not isinstance(f, str)])] == [
        ["strategy:a", "CHANGED", "HALTED", "REPEATS"], ["strategy:a", "CHANGED", "ACTIVE", "id"],
    ]  # fmt: skip


# --- correlations ---------------------------------------------------------------------------


def correlated_story(seed, together):
    """Return bars of two instruments that move together, or against each other."""
    draw = np.random.default_rng(seed)
    moves = draw.normal(0, 0.01, 100)
    paths = {BTC: np.exp(np.cumsum(moves)), ETH: np.exp(np.cumsum(moves * together))}
    return [
        bar(100 * paths[i][n], number=n, instrument=IDS[i], log_ns=ns(n + 1), offset=n)
        for n in range(100)
        for i in (BTC, ETH)
    ], paths


@pytest.mark.parametrize(("together", "reason"), [(1, "CORRELATED"), (-1, "APPROVED")])
def test_what_moves_together_counts_and_what_moves_against_does_not(together, reason):
    bars, _ = correlated_story(1, together)
    rows = [trade(n + 1, 100, 99, i=BTC if n % 2 else ETH) for n in range(110)]
    rule = ScopeLimits("portfolio", correlated_max=D(250))
    asks = [buy("a", at=99, size=2, i=BTC), buy("b", at=103, size=1, i=ETH)]
    settings = make_desk(rule, reads_bars=True)
    facts = run_with(settings, rows, asks, bars=bars)
    assert [each.split()[2] for each in decision_lines(facts)] == ["APPROVED", reason]


def test_the_correlation_of_the_desk_is_that_of_numpy():
    bars, paths = correlated_story(2, 0.3)
    noise = np.random.default_rng(3).normal(0, 0.003, 100)
    paths[ETH] = paths[ETH] * np.exp(np.cumsum(noise))
    bars = [
        bar(100 * paths[i][n], number=n, instrument=IDS[i], log_ns=ns(n + 1), offset=n)
        for n in range(100)
        for i in (BTC, ETH)
    ]
    rows = [trade(n + 1, 100, 99, i=BTC if n % 2 else ETH) for n in range(110)]
    settings = make_desk(ScopeLimits("portfolio", correlated_max=D(10**6)), reads_bars=True)
    step = Desk(settings)
    state = step.initial()
    for each in batches_of(rows, [], one_by_one=True, bars=bars):
        state, _ = step.step(state, desk_batch(each, settings))
    one, two = (np.diff(np.log(100 * paths[i])) for i in (BTC, ETH))
    weights = 0.99 ** np.arange(len(one))[::-1]
    rho = (weights * one * two).sum() / np.sqrt((weights * one**2).sum() * (weights * two**2).sum())
    assert state.risk.correlations.of(IDS[BTC], IDS[ETH]) == pytest.approx(rho, rel=1e-12)
