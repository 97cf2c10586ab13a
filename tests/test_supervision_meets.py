"""Stories in which supervision, closings, locks and restarts meet: each was once an error."""

import signal
from decimal import Decimal as D
from decimal import localcontext

import pytest
from msgspec.structs import replace

from tapeflow.operators.desk.fees import BASE, FeeTable, FeeTier, VenueFees
from tapeflow.operators.desk.risk.control import approve, close_all, set_limit, set_state
from tapeflow.operators.desk.selection import desk_batch
from tapeflow.operators.desk.settings import ControlRules
from tapeflow.operators.desk.step import Desk
from tapeflow.schemas.decimals import DECIMAL_CONTEXT
from tapeflow.schemas.instruments import InstrumentTable
from tapeflow.schemas.orders import Terms
from tests.columns import bar
from tests.desk_stories import BTC, ETH, batches_of, buy, limit, sell
from tests.plain_flow import IDS
from tests.supervised_stories import (
    changes_of,
    closing,
    decision_lines,
    held_at_end,
    limits,
    make_desk,
    prices,
    protection,
    run_all,
)
from tests.test_four_eyes import OWNED, big, command, run_with

BTC_ID, ETH_ID = IDS[BTC], IDS[ETH]


@pytest.fixture(autouse=True)
def no_endless_loop():
    def stop(*_):
        raise TimeoutError("endless loop")

    signal.signal(signal.SIGALRM, stop)
    signal.alarm(8)
    yield
    signal.alarm(0)


def based(s):
    """Return settings with fees in the base currency: what is bought is no whole number of lots."""
    return replace(
        s,
        money=replace(
            s.money, fees=FeeTable(VenueFees((FeeTier(D(0), D("0.1"), D("0.1")),), BASE), {})
        ),
    )


def restart(before, after, rows, asks, at):
    """Return the facts of a story whose job is another one from a row on."""
    step, facts, now = Desk(before), [], before
    state = step.initial()
    for n, each in enumerate(batches_of(rows, asks, one_by_one=True)):
        if n == at:
            snap, step, now = step.snapshot(state), Desk(after), after
            state = step.restore(snap)
        state, out = step.step(state, desk_batch(each, now))
        facts += out
    return facts


def with_arg(c, **args):
    """Return a command with arguments."""
    c.args.update(args)
    return c


def test_a_stop_that_leaves_less_than_a_lot_comes_to_an_end():
    run_all(
        based(make_desk(protect=[protection(stop_bps=100)])),
        prices(100, 100, 100, 90, 90, 90),
        [buy("a", at=0, size=2)],
    )


def test_less_than_a_lot_above_a_limit_is_not_reduced_for_ever():
    s = based(make_desk(limits(gross_max=60, on_exceed="reduce")))
    run_all(s, prices(100, 100, 100, 160, 160), [buy("a", at=0, size="0.5")])


def test_a_margin_at_its_limit_by_rounding_is_not_reduced_for_ever():
    s = make_desk(limits(margin_min=0.1), capital=D("10.02"))
    run_all(s, prices(91.2, 91.2, 90.2, 90.2), [buy("a", at=0, size=1, price=91.2)])


def test_a_loss_closes_a_scope_that_is_being_reduced():
    s = make_desk(limits(gross_max=500, on_exceed="reduce", daily_loss=50), entry=1.5)
    facts = run_all(s, prices(*[100] * 4, 126, *[40] * 8), [buy("a", at=0, size=4)])
    assert held_at_end(facts) == {}


def test_a_scope_that_is_being_reduced_can_be_flattened():
    s = make_desk(limits(gross_max=500, on_exceed="reduce"), entry=1.5)
    facts = run_with(
        s,
        prices(100, 100, *[126] * 6),
        [buy("a", at=0, size=4)],
        (3, close_all, command(4, action="flatten")),
    )
    assert "NOTHING_TO_DO" not in facts and held_at_end(facts) == {}


def test_a_loss_closes_a_scope_that_another_rule_has_halted():
    facts = run_all(
        make_desk(limits(daily_loss=20, repeats_max=1)),
        prices(100, 100, 100, 91, 89, 50, 20, 20),
        [buy("a", at=0, size=2)],
    )
    assert held_at_end(facts) == {}


def test_a_loss_closes_a_scope_that_a_command_has_halted():
    facts = run_with(
        make_desk(limits(daily_loss=20)),
        prices(100, 100, 100, 91, 89, 50, 20, 20),
        [buy("a", at=0, size=2)],
        (2, set_state, command(3, action="halt")),
    )
    assert held_at_end(facts) == {}


A, B = protection(stop_bps=100, strategies="b"), protection(stop_bps=1000, strategies="a")


def test_a_position_keeps_its_protection_when_another_row_goes():
    facts = restart(
        make_desk(protect=[A, B]),
        make_desk(protect=[B]),
        prices(100, 100, 100, 98, *[89] * 4),
        [buy("a", at=0)],
        3,
    )
    assert any("STOP 89 of 90" in e for e in changes_of(facts))


def test_a_position_keeps_its_protection_when_a_row_comes_before_it():
    facts = restart(
        make_desk(protect=[B]),
        make_desk(protect=[A, B]),
        prices(100, 100, 100, *[98] * 5),
        [buy("a", at=0)],
        3,
    )
    assert changes_of(facts) == []


def test_a_position_whose_protection_has_gone_has_none():
    restart(
        make_desk(protect=[B]),
        make_desk(limits(daily_loss=1000)),
        prices(100, 100, 100, *[98] * 5),
        [buy("a", at=0)],
        3,
    )


def test_a_position_that_is_open_gets_a_protection_that_is_new():
    facts = restart(
        make_desk(limits(daily_loss=1000)),
        make_desk(limits(daily_loss=1000), protect=[protection(stop_bps=100)]),
        prices(100, 100, 100, *[98] * 5),
        [buy("a", at=0)],
        3,
    )
    assert any("STOP" in e for e in changes_of(facts))


def test_a_limit_that_is_new_begins_its_day_where_it_came():
    one, two = limits("account:main", daily_loss=1000), limits("strategy:a", daily_loss=50)
    rows = [*prices(100, 100, 60), *prices(*[60] * 5, begin=2 * 86400)]
    assert (
        changes_of(restart(make_desk(one), make_desk(one, two), rows, [buy("a", at=0, size=2)], 5))
        == []
    )


def test_what_an_account_has_made_that_left_is_no_loss():
    rows = [*prices(100, 100, *[200] * 5), *prices(*[200] * 5, begin=86400)]
    s1, s2 = (
        make_desk(limits(daily_loss=50), accounts=("main", "other")),
        make_desk(limits(daily_loss=50)),
    )
    asks = [buy("a", at=0, account="other"), sell("a", at=2, account="other")]
    assert changes_of(restart(s1, s2, rows, asks, 9)) == []


def test_an_approved_order_of_an_instrument_that_left_is_refused():
    s = make_desk(big(), control=OWNED)
    step, state = Desk(s), Desk(s).initial()
    for each in batches_of(
        [*prices(100, 100, 100), *prices(100, 100, 100, begin=4, i=ETH)],
        [buy("a", at=4, size=6, i=ETH)],
        one_by_one=True,
        end_of_log=False,
    ):
        state, _ = step.step(state, desk_batch(each, s))
    others = InstrumentTable.from_rows(r for r in s.instruments.rows if r.id != ETH_ID)
    s2 = replace(s, instruments=others, traded={("main", "a"): frozenset({BTC_ID})})
    state = Desk(s2).restore(step.snapshot(state))
    with localcontext(DECIMAL_CONTEXT):
        facts = [*approve(state, s2, with_arg(command(6), order=next(iter(state.risk.waiting))))]
    assert facts[0].reason == "NOT_TRADED"


CTRL = ControlRules(60 * 10**9, {"portfolio": {"gross_max": (D(0), D(10000))}}, {})


@pytest.mark.parametrize(
    "declared",
    [limits(orders_max=100, on_exceed="reduce"), limits(daily_loss=10000, on_exceed="reduce")],
)
def test_a_gross_that_a_command_has_set_is_held_at_every_price(declared):
    s = make_desk(declared, control=CTRL)
    cmd = with_arg(command(1, action="set-limit"), limit="gross_max", value="500")
    facts = run_with(
        s,
        prices(100, 100, 100, 110, 130, 130, 130),
        [buy("a", at=1, size=4, terms=limit(95))],
        (0, set_limit, cmd),
    )
    assert any("GROSS_LIMIT 520" in e for e in changes_of(facts))


def test_two_scopes_do_not_sell_the_same_excess_twice():
    s = make_desk(
        limits(gross_max=500, on_exceed="reduce"),
        limits("account:main", gross_max=500, on_exceed="reduce"),
    )
    facts = run_all(s, prices(100, 100, *[126] * 4), [buy("a", at=0, size=4)])
    assert held_at_end(facts) == {("a", BTC_ID): D("3.5")}


def test_a_strategy_that_goes_on_ordering_does_not_keep_a_scope_from_being_closed():
    asks = [buy("a", at=0, size=2), *(buy("b", at=n, terms=limit(90)) for n in range(3, 19))]
    facts = run_with(
        make_desk(limits(daily_loss=1000), cancel=1.5),
        prices(*[100] * 20),
        asks,
        (3, close_all, command(4, action="flatten")),
    )
    assert closing(facts)


def test_a_strategy_that_orders_again_does_not_keep_its_stop_from_closing():
    s = make_desk(protect=[protection(stop_bps=100, cooldown_ns=0)], cancel=1.5)
    asks = [
        buy("a", at=0, size=2),
        *(buy("a", at=n, size="0.5", terms=limit(90)) for n in range(1, 17)),
    ]
    assert closing(run_all(s, prices(100, 100, *[98] * 16), asks))


def test_new_exits_do_not_keep_a_stop_from_closing():
    s = make_desk(protect=[protection(stop_bps=100)], cancel=1.5)
    asks = [
        buy("a", at=0, size=2),
        *(sell("a", at=n, size="0.5", terms=limit(190, reduce_only=True)) for n in range(1, 17)),
    ]
    assert closing(run_all(s, prices(100, 100, *[98] * 16), asks))


def test_a_stop_acts_while_its_scope_is_being_reduced():
    s = make_desk(
        limits(gross_max=500, on_exceed="reduce"),
        protect=[protection(stop_bps=100, instruments=(ETH,), strategies="b")],
        entry=2.5,
    )
    rows = [
        *prices(*[100] * 5),
        *prices(*[100] * 5, begin=6, i=ETH),
        *prices(200, begin=11),
        *prices(*[90] * 6, begin=12, i=ETH),
    ]
    facts = run_all(s, rows, [buy("a", at=0, size=2), buy("b", at=5, size=2, i=ETH)])
    assert any(e.startswith("12 position:") and "STOP" in e for e in changes_of(facts))


def test_a_range_that_is_known_at_the_entry_stops_from_there_on():
    s = replace(make_desk(protect=[protection(stop_atr=2, atr_window=1)]), reads_bars=True)
    rows = prices(100, 101, 100, 101, 101, 101, 95, 90, 80, 80)
    bars = [
        bar(c, number=n, instrument=BTC_ID, offset=n, log_ns=rows[n].log_ns)
        for n, c in enumerate((100, 101, 100, 101))
    ]
    facts = run_all(s, rows, [buy("a", at=4)], bars=bars)
    assert any("ATR_STOP" in e for e in changes_of(facts))


def test_an_exit_of_a_strategy_does_not_end_its_lock():
    asks = [
        buy("a", at=0, size=2),
        sell("a", at=3, size=2, terms=Terms(reduce_only=True)),
        buy("a", at=4, size=2),
    ]
    facts = run_all(
        make_desk(protect=[protection(stop_bps=100)]), prices(100, 100, *[98] * 5), asks
    )
    assert decision_lines(facts)[-1] == "5 a LOCKED"


def test_a_strategy_is_held_within_its_limit_over_all_its_accounts():
    s = make_desk(
        limits("strategy:a", gross_max=600, on_exceed="reduce"), accounts=("main", "other")
    )
    asks = [buy("a", at=0), sell("a", at=1), buy("a", at=2, size=5, account="other")]
    facts = run_all(s, prices(100, 100, 100, 100, *[150] * 4), asks)
    assert any("GROSS_LIMIT 750" in e for e in changes_of(facts))


def test_a_trade_ends_where_less_than_a_lot_is_left():
    asks = [
        ask
        for n in range(3)
        for ask in (buy("a", at=2 * n, size=2), sell("a", at=2 * n + 1, size="1.5"))
    ]
    facts = run_all(
        based(make_desk(limits("strategy:a", losses_max=0))),
        prices(100, 100, 90, 90, 80, 80, 70, 70),
        asks,
    )
    assert changes_of(facts)


def test_a_resume_that_is_refused_resets_nothing():
    cmd = with_arg(command(4, action="resume"), reset="bogus")
    asks = [buy("a", at=n) for n in (0, 1, 5)]
    facts = run_with(
        make_desk(limits(repeats_max=3)), prices(*[100] * 9), asks, (3, set_state, cmd)
    )
    assert "BAD_ARGS" in facts and any("REPEATS" in e for e in changes_of(facts))


def test_a_feed_that_is_back_does_not_end_what_a_command_has_set():
    scope = f"instrument:{BTC_ID}"
    s = make_desk(limits(scope, feed_age_ns=2 * 10**9, calm_ns=2 * 10**9))
    rows = [
        *prices(100, 100),
        *prices(50, 50, 50, begin=3, i=ETH),
        *prices(50, begin=6, i=ETH),
        *prices(*[100] * 12, begin=7),
    ]
    facts = run_with(
        s,
        rows,
        [],
        (5, set_state, command(6, action="halt", scope=scope)),
        (6, set_state, command(7, action="reduce", scope=scope)),
    )
    assert not any("ACTIVE STALE_FEED" in e for e in changes_of(facts))
