"""Limits that are held at every price: the record at which each is exceeded, and what follows."""

from decimal import localcontext

import pytest

from tapeflow.operators.desk.risk.control import Refusal, set_state
from tapeflow.operators.desk.selection import desk_batch
from tapeflow.operators.desk.step import Desk
from tapeflow.schemas.control import SignedCommand
from tapeflow.schemas.decimals import DECIMAL_CONTEXT
from tapeflow.schemas.order_events import OrderEvent
from tapeflow.schemas.orders import Terms
from tests.desk_stories import BTC, ETH, batches_of, buy, limit, only, quote, sell, silence
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

BTC_ID, ETH_ID = IDS[BTC], IDS[ETH]
DAY = 86_400


def test_a_daily_loss_halts_at_the_record_that_exceeds_it_and_closes_all_of_the_scope():
    rows = prices(100, 100, 91, 90, 89.5, 89, 89, 89)
    facts = run_all(make_desk(limits(daily_loss=20)), rows, [buy("a", at=0, size=2)])
    assert changes_of(facts) == [
        "5 portfolio CHANGED HALTED DAILY_LOSS 21 of 20",
        "5 portfolio CLOSING HALTED DAILY_LOSS 21 of 20",
        "6 portfolio FLAT HALTED DAILY_LOSS 21 of 20",
    ]
    assert closing(facts) == ["5 a -2"]
    assert held_at_end(facts) == {}


def test_a_loss_that_is_the_limit_is_within():
    rows = prices(100, 100, 90, 90, 100)
    assert (
        changes_of(run_all(make_desk(limits(daily_loss=20)), rows, [buy("a", at=0, size=2)])) == []
    )


def test_a_new_day_begins_with_what_its_first_record_finds():
    rows = [*prices(100, 100, 85), *prices(85, 75.5, 75, 74, begin=DAY)]
    facts = run_all(make_desk(limits(daily_loss=20)), rows, [buy("a", at=0, size=2)])
    assert changes_of(facts)[0] == "3 portfolio CHANGED HALTED DAILY_LOSS 30 of 20"
    facts = run_all(make_desk(limits(daily_loss=40)), rows, [buy("a", at=0, size=2)])
    assert changes_of(facts) == []
    rows = [*prices(100, 100, 85), *prices(85, 65, 64.9, 64, begin=DAY)]
    facts = run_all(make_desk(limits(daily_loss=40)), rows, [buy("a", at=0, size=2)])
    assert changes_of(facts)[0] == "86402 portfolio CHANGED HALTED DAILY_LOSS 40.2 of 40"


def test_a_drawdown_is_measured_from_the_greatest_sample():
    rows = prices(100, 100, 150, 150, 99, 98, 97.9, 97.9)
    settings = make_desk(limits("account:main", drawdown=0.1), sample=1)
    facts = run_all(settings, rows, [buy("a", at=0, size=2)])
    # equity at 150 is 1100, sampled at 4 s; 990 is reached below 95
    assert changes_of(facts) == []
    rows = prices(100, 100, 150, 150, 95, 94.9, 94.9)
    facts = run_all(settings, rows, [buy("a", at=0, size=2)])
    assert changes_of(facts)[0].startswith("6 account:main CHANGED HALTED DRAWDOWN 0.1001")


def test_a_peak_that_is_not_sampled_is_none():
    rows = prices(100, 100, 150, 94, 94)
    settings = make_desk(limits("account:main", drawdown=0.1), sample=1000)
    assert changes_of(run_all(settings, rows, [buy("a", at=0, size=2)])) == []


def test_losses_in_a_row_halt_and_a_gain_begins_anew():
    rows = prices(100, 100, 99, 99, 98, 98, 97, 97)
    asks = [ask for n in range(3) for ask in (buy("a", at=2 * n), sell("a", at=2 * n + 1))]
    facts = run_all(make_desk(limits("strategy:a", losses_max=2)), rows, asks)
    assert changes_of(facts)[0] == "7 strategy:a CHANGED HALTED LOSSES 3 of 2"
    rows = prices(100, 100, 99, 99, 120, 98, 97, 97)
    facts = run_all(make_desk(limits("strategy:a", losses_max=1)), rows, asks)
    assert changes_of(facts) == []


def test_what_follows_a_loss_is_as_declared():
    rows, asks = prices(100, 100, 80, 80, 80), [buy("a", at=0, size=2), buy("a", at=3)]
    kill = run_all(make_desk(limits(daily_loss=20, on_loss="kill")), rows, asks)
    assert changes_of(kill)[0] == "3 portfolio CHANGED KILLED DAILY_LOSS 40 of 20"
    assert held_at_end(kill) == {}
    reducing = run_all(make_desk(limits(daily_loss=20, on_loss="reducing")), rows, asks)
    assert changes_of(reducing) == ["3 portfolio CHANGED REDUCING DAILY_LOSS 40 of 20"]
    assert held_at_end(reducing) == {("a", BTC_ID): 2}
    assert decision_lines(reducing)[-1] == "4 a STATE"


def test_gross_that_prices_carry_above_its_limit_is_sold_down_to_95_percent_of_it():
    rows = prices(100, 100, 124, 125, 126, 126, 126)
    facts = run_all(
        make_desk(limits(gross_max=500, on_exceed="reduce")), rows, [buy("a", at=0, size=4)]
    )
    assert changes_of(facts) == [
        "5 portfolio REDUCING ACTIVE GROSS_LIMIT 504 of 500",
        "6 portfolio REDUCED ACTIVE GROSS_LIMIT 504 of 500",
    ]
    assert closing(facts) == ["5 a -0.5"]  # to 475 or less: 0.23 in lots of 0.5
    assert held_at_end(facts) == {("a", BTC_ID): 3.5}


def test_open_orders_that_carry_the_gross_above_its_limit_are_canceled_and_nothing_is_sold():
    rows = prices(100, 100, 110, 130, 130, 130)
    asks = [buy("a", at=0, size=2), buy("b", at=1, size=2, terms=limit(95))]
    facts = run_all(make_desk(limits(gross_max=500, on_exceed="reduce")), rows, asks)
    assert [each.split(" of ")[0] for each in changes_of(facts)] == [
        "4 portfolio REDUCING ACTIVE GROSS_LIMIT 520",
        "4 portfolio REDUCED ACTIVE GROSS_LIMIT 520",
    ]
    assert closing(facts) == []


def test_the_largest_position_is_sold_first_and_then_the_next():
    rows = [*prices(100, 100), *prices(50, 50, begin=3, i=ETH), *prices(400, 400, 400, begin=5),
            *prices(50, 50, begin=8, i=ETH), *prices(400, 400, begin=10)]  # fmt: skip
    asks = [buy("a", at=0, size=1), buy("b", at=2, size=4, i=ETH)]
    facts = run_all(make_desk(limits(gross_max=400, on_exceed="reduce")), rows, asks)
    assert [each.split()[1:] for each in closing(facts)] == [["a", "-1"]]  # 220 in lots of 0.5
    assert held_at_end(facts) == {("b", ETH_ID): 4}


def test_a_limit_that_is_kept_only_refuses_what_opens():
    rows = prices(100, 100, 130, 130)
    facts = run_all(
        make_desk(limits(gross_max=500)), rows, [buy("a", at=0, size=4), buy("a", at=3)]
    )
    assert changes_of(facts) == []
    assert decision_lines(facts)[-1] == "4 a GROSS_LIMIT"


def test_leverage_and_margin_are_held_at_every_price():
    rows = prices(100, 100, 90, 70, 60, 50, 50, 50)
    asks = [buy("a", at=0, size=15)]
    facts = run_all(make_desk(limits(leverage_max=1.6, on_exceed="reduce")), rows, asks)
    assert changes_of(facts)[0] == "4 portfolio REDUCING ACTIVE LEVERAGE_LIMIT 1.909090909 of 1.6"
    facts = run_all(make_desk(limits(margin_min=0.6)), rows, asks)
    assert changes_of(facts)[0].startswith("4 portfolio REDUCING ACTIVE MARGIN 0.5238")


def test_orders_that_venues_reject_halt_the_scope_and_close_nothing():
    post = Terms(type="limit", limit=limit(110).limit, post_only=True)
    rows = [quote(1 + n, 99, 101, (9, 9)) for n in range(7)]
    asks = [buy("a", at=1), *(buy(f"x{n}", at=2 + n, terms=post) for n in range(3))]
    rule = limits("venue:BINANCE", rejects_max=1, orders_window_ns=10 * 10**9)
    facts = run_all(make_desk(rule, model="touch"), rows, asks)
    (change,) = changes_of(facts)
    assert change.endswith("venue:BINANCE CHANGED HALTED REJECTS 2 of 1")
    assert held_at_end(facts) == {("a", BTC_ID): 1}


def test_a_silent_feed_lets_nothing_open_until_it_is_back():
    rows = [
        *prices(100, 100, 100), *(silence(4 + n) for n in range(6)),
        *prices(*[100] * 12, begin=10),
    ]  # fmt: skip
    asks = [buy("rest", at=0, terms=limit(50)), *(buy(f"a{n}", at=n) for n in range(21))]
    rule = limits(f"instrument:{BTC_ID}", feed_age_ns=3 * 10**9, calm_ns=4 * 10**9)
    facts = run_all(make_desk(rule), rows, asks)
    assert [each.rpartition(" STALE_FEED")[0] for each in changes_of(facts)] == [
        f"6.000000001 instrument:{BTC_ID} CHANGED REDUCING",
        f"14.000000001 instrument:{BTC_ID} CHANGED ACTIVE",
    ]
    refused = [each.split()[0] for each in decision_lines(facts) if each.endswith("STATE")]
    assert refused == ["7", "8", "9", "10", "11", "12", "13", "14"]
    ends = [each for each in only(OrderEvent, facts) if each.strategy == "rest" and each.end]
    assert [each.time_ns for each in ends] == [6 * 10**9 + 1]


def test_an_instrument_without_any_tick_is_as_old_as_the_log():
    rule = limits(f"instrument:{ETH_ID}", feed_age_ns=3 * 10**9)
    facts = run_all(make_desk(rule), prices(*[100] * 9))
    assert changes_of(facts) == [
        f"4.000000001 instrument:{ETH_ID} CHANGED REDUCING STALE_FEED 3000000001 ns of 3000000000 ns"
    ]


# --- protections ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rules", "path", "expected"),
    [
        ({"stop_bps": 200}, (98.5, 98, 98), "4 STOP 98 of 98"),
        ({"stop_bps": 200}, (98.01, 100, 98.5), None),
        ({"take_bps": 300}, (102, 103.5, 103), "4 TAKE 103.5 of 103"),
        ({"trail_bps": 100}, (110, 109, 108.9, 105), "5 TRAIL 108.9 of 108.9"),
        ({"trail_bps": 100, "trail_after_bps": 500}, (104, 102, 105, 103.95), "6 TRAIL 103.95 of 103.95"),
        ({"break_even_bps": 500}, (104, 99, 105, 100), "6 BREAK_EVEN 100 of 100"),
        ({"stop_bps": 900, "trail_bps": 500}, (96, 95, 90), "4 TRAIL 95 of 95"),
    ],
)  # fmt: skip
def test_a_long_position_is_closed_at_the_first_price_that_reaches_its_level(rules, path, expected):
    rows = prices(100, 100, *path, *[path[-1]] * 3)
    facts = run_all(make_desk(protect=[protection(**rules)]), rows, [buy("a", at=0, size=2)])
    found = [
        f"{line.split()[0]} {' '.join(line.split()[4:])}"
        for line in changes_of(facts)
        if " CLOSING " in line
    ]
    assert found == ([] if expected is None else [expected])
    assert bool(held_at_end(facts)) == (expected is None)


PERP = IDS.index("BTC-USDT-PERP.BINANCE-USDM")


@pytest.mark.parametrize(
    ("rules", "path", "expected"),
    [
        ({"stop_bps": 200}, (101, 102, 102), "STOP 102 of 102"),
        ({"take_bps": 300}, (98, 97, 96), "TAKE 97 of 97"),
        ({"trail_bps": 100}, (90, 90.5, 91, 95), "TRAIL 91 of 90.9"),
        ({"break_even_bps": 500}, (96, 101, 95, 100), "BREAK_EVEN 100 of 100"),
    ],
)
def test_of_a_short_position_all_is_the_other_way_round(rules, path, expected):
    rows = prices(100, 100, *path, *[path[-1]] * 3, i=PERP)
    protect = [protection(instruments=(PERP,), **rules)]
    facts = run_all(make_desk(protect=protect), rows, [sell("a", at=0, size=2, i=PERP)])
    (line,) = [each for each in changes_of(facts) if " CLOSING " in each]
    assert line.endswith(expected)
    assert held_at_end(facts) == {}


def test_a_position_is_closed_after_its_time_before_the_records_of_that_time():
    rows = prices(*[100] * 8)
    protect = [protection(time_ns=3 * 10**9)]
    facts = run_all(make_desk(protect=protect), rows, [buy("a", at=0)])
    assert (
        f"5 position:main/a/{BTC_ID} CLOSING ACTIVE TIME_STOP 3000000000 of 3000000000"
        in changes_of(facts)
    )
    assert closing(facts) == ["5 a -1"]


def test_a_quote_closes_a_position_at_the_side_where_it_could_be_closed():
    rows = [
        *prices(100, 100),
        quote(3, 99, 101),
        quote(4, 97, 99),
        quote(5, 97, 99),
        *prices(97, begin=6),
    ]
    facts = run_all(make_desk(protect=[protection(stop_bps=200)]), rows, [buy("a", at=0)])
    assert changes_of(facts)[0].startswith("4 ")


def test_the_exits_of_a_position_are_canceled_first_and_their_end_is_awaited():
    rows = prices(*[100] * 3, 98, 98, 98, 98)
    asks = [buy("a", at=0, size=2), sell("a", at=1, size=2, terms=limit(150, reduce_only=True))]
    facts = run_all(make_desk(protect=[protection(stop_bps=200)], cancel=1.5), rows, asks)
    assert closing(facts) == ["5.5 a -2"]  # canceled at 4 s, known at 5.5 s
    assert held_at_end(facts) == {}


def test_a_strategy_is_locked_out_until_it_wants_the_other_side():
    rows = prices(100, 100, 98, 98, 98, 98, 98, 98)
    asks = [buy("a", at=0), buy("a", at=4), buy("b", at=4), sell("a", at=5), buy("a", at=6)]
    facts = run_all(make_desk(protect=[protection(stop_bps=200)]), rows, asks)
    assert changes_of(facts)[0] == f"3 position:main/a/{BTC_ID} LOCKED ACTIVE STOP 98 of 98"
    assert decision_lines(facts)[2:] == [
        "5 a LOCKED",
        "5 b APPROVED",
        "6 a SPOT_SHORT",
        "7 a APPROVED",
    ]


def test_a_lock_ends_with_its_cooldown():
    rows = prices(100, 100, 98, *[98] * 6)
    asks = [buy("a", at=0), *(buy("a", at=n) for n in (4, 5, 6))]
    protect = [protection(stop_bps=200, cooldown_ns=3 * 10**9)]
    facts = run_all(make_desk(protect=protect), rows, asks)
    assert decision_lines(facts)[2:] == ["5 a LOCKED", "6 a APPROVED", "7 a APPROVED"]
    none = run_all(make_desk(protect=[protection(stop_bps=200, cooldown_ns=0)]), rows, asks)
    assert decision_lines(none)[2:] == ["5 a APPROVED", "6 a APPROVED", "7 a APPROVED"]


def test_a_position_of_another_strategy_or_instrument_is_not_protected():
    rows = prices(100, 100, 90, 90, 90)
    facts = run_all(make_desk(protect=[protection("b", stop_bps=200)]), rows, [buy("a", at=0)])
    assert changes_of(facts) == []


def test_nothing_is_evaluated_at_a_row_between_the_bands():
    settings = make_desk(limits(daily_loss=100), protect=[protection(stop_bps=900)])
    rows = prices(*([100, 100.5, 101, 100] * 200))
    step = Desk(settings)
    state = step.initial()
    for each in batches_of(rows, [buy("a", at=0)]):
        state, _ = step.step(state, desk_batch(each, settings))
    assert 0 < state.risk.supervision.evaluations < 5


def test_a_loss_that_was_acted_on_is_not_looked_at_again():
    settings = make_desk(limits(daily_loss=20, on_loss="reducing"))
    rows = prices(100, 100, 80, *([80, 80.5, 79, 78] * 200))
    step = Desk(settings)
    state = step.initial()
    for each in batches_of(rows, [buy("a", at=0, size=2)]):
        state, _ = step.step(state, desk_batch(each, settings))
    assert state.risk.trading.of("portfolio") == "REDUCING"
    assert 0 < state.risk.supervision.evaluations < 8


# --- resume --------------------------------------------------------------------------------


def resume_of(settings, rows, asks, at, reset):
    """Return the facts of a story in which the portfolio is resumed after a row."""
    step = Desk(settings)
    state, facts = step.initial(), []
    for number, each in enumerate(batches_of(rows, asks, one_by_one=True)):
        state, out = step.step(state, desk_batch(each, settings))
        facts += out
        if number == at:
            with localcontext(DECIMAL_CONTEXT):
                facts += set_state(state, settings, resume_command(reset))
            state.risk.supervision.is_due = True
    return facts


def resume_command(reset):
    args = {"reset": reset} if reset else {}
    return SignedCommand("id", "alice", 1, "resume", "portfolio", args, "", 1, "control-0", 0)


def test_a_resume_moves_neither_peak_nor_day_unless_it_says_so():
    rows, asks = prices(100, 100, 80, 80, *[80] * 6), [buy("a", at=0, size=2), buy("b", at=7)]
    settings = make_desk(limits(daily_loss=20))
    again = changes_of(resume_of(settings, rows, asks, 5, ""))
    assert [each.split()[2:4] for each in again][3:5] == [
        ["CHANGED", "ACTIVE"],
        ["CHANGED", "HALTED"],
    ]
    facts = resume_of(settings, rows, asks, 5, "day")
    assert [each.split()[2:4] for each in changes_of(facts)][3:] == [["CHANGED", "ACTIVE"]]
    assert decision_lines(facts)[-1] == "8 b APPROVED"


def test_a_reset_of_something_else_is_refused():
    with pytest.raises(Refusal) as raised:
        resume_of(make_desk(limits(daily_loss=20)), prices(100, 100), [], 1, "day,shoes")
    assert raised.value.args[0] == "BAD_ARGS"


def test_losses_in_a_row_begin_anew_after_a_reset():
    rows = prices(100, 100, 99, 99, 98, 98, 97, 97, *[97] * 4)
    asks = [each for n in range(3) for each in (buy("a", at=2 * n), sell("a", at=2 * n + 1))]
    settings = make_desk(limits(losses_max=2))
    facts = resume_of(settings, rows, [*asks, buy("a", at=10)], 8, "losses")
    assert decision_lines(facts)[-1] == "11 a APPROVED"
