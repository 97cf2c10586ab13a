"""Requests of a strategy become what docs/strategies.md, 4, says; wrong states are refused."""

import decimal
import re
from decimal import Decimal

import pytest
from msgspec.structs import replace

from tapeflow import (
    BUY,
    SELL,
    AmendOrder,
    CancelAll,
    CancelOrder,
    Close,
    Leg,
    SetTimer,
    Slicing,
    Submit,
    Target,
    Terms,
    WatchPrice,
)
from tapeflow.schemas.accounts import Decision
from tapeflow.schemas.errors import StrategyError, TapeflowError
from tapeflow.schemas.order_plans import OrderPlan
from tapeflow.schemas.orders import Fill, Order
from tapeflow.schemas.signals import Signal
from tapeflow.schemas.sizing import EquityShare, Notional
from tests.frames import S, trade_frame
from tests.laws import run
from tests.strategies.scripted import Scripted
from tests.strategy_desks import BASE, decided_of, declare_row, desk_of, received_by

BTC, ETH, COINBASE = "BTC-USDT.BINANCE", "ETH-USDT.BINANCE", "BTC-USD.COINBASE"
D = Decimal
BEGIN = 1_700_000_000 * S
FAR = Terms(type="limit", limit=D(50))  # a buy that rests


def log_of(prices=(100,) * 9, pair="BTC"):
    """Return a log with a trade a second: the n-th of them closes bar n - 1."""
    times = [BEGIN + number * S + S // 2 for number in range(len(prices))]
    frames = [
        trade_frame("binance-0", number, at=at, price=price, pair=pair)
        for number, (at, price) in enumerate(zip(times, prices, strict=True), 1)
    ]
    return {"binance-0": [*zip(times, frames, strict=True)], "binance-usdm-0": [], "coinbase-0": []}


def row(name="a", bars=None, *, instruments=(BTC,), **more):
    """Return a row of a strategy that answers its bars; `others` answer its other events."""
    strategy = Scripted(bars=bars or {}, others=more.pop("others", {}))
    return declare_row(name, strategy, instruments=instruments, **more)


def trade(*rows, prices=(100,) * 9, **changes):
    """Return the facts of a log, and the notes of each strategy."""
    desk = desk_of(*rows, **changes)
    state, facts = run(desk, received_by(desk, decided_of(log_of(prices), [3])))
    return facts, {name: each.state for name, each in state.strategies.running.items()}


def of(facts, kind, **fields):
    """Return the facts of a kind whose fields are these."""
    return [
        each for each in facts
        if type(each) is kind and all(getattr(each, key) == it for key, it in fields.items())
    ]  # fmt: skip


def fills(facts):
    """Return the signed sizes of fills."""
    return [each.side * each.size for each in of(facts, Fill)]


# --- Target, Close --------------------------------------------------------------------------------


def test_a_target_counts_what_is_held_and_what_working_entries_will_still_fill():
    bars = {
        1: lambda _: [Submit(BTC, BUY, D(2), terms=FAR), Target(BTC, D(3))],  # 1 is missing
        4: lambda _: [Target(BTC, D(3))],  # 1 is held, 2 rest
        5: lambda _: [Target(BTC, D(-1))],  # 4 too much
    }
    facts, _ = trade(row(bars=bars))
    assert [each.side * each.size for each in of(facts, Order)] == [2, 1, -4]
    assert len(of(facts, Signal)) == 3, "a target that is reached is no signal"


def test_a_target_is_floored_to_the_lot_toward_zero():
    bars = {
        1: lambda _: [Target(BTC, D("0.4"))], 2: lambda _: [Target(BTC, D("-1.7"))],
        5: lambda _: [Target(BTC, D("-1.7"))], 6: lambda _: [Target(BTC, D(0))],
    }  # fmt: skip
    assert fills(trade(row(bars=bars))[0]) == [D("-1.5"), D("1.5")]


def test_a_target_has_the_exits_of_its_row_only_where_it_adds_to_the_position():
    stop = OrderPlan(type="stop", trigger_bps=D(500))
    bars = {1: lambda _: [Target(BTC, D(2))], 4: lambda _: [Target(BTC, D(1))]}
    facts, _ = trade(row(bars=bars, exits=(stop,)))
    assert [(each.role, each.size) for each in of(facts, Order)] == [
        ("entry", 2),
        ("exit", 2),
        ("entry", 1),
    ]


def test_close_cancels_its_orders_and_only_reduces_what_it_holds():
    bars = {
        1: lambda _: [Submit(BTC, BUY, D(2)), Submit(BTC, BUY, D(1), terms=FAR)],
        4: lambda _: [Close(BTC)],
        6: lambda _: [Close(BTC)],
    }
    facts, notes = trade(row(bars=bars))
    assert fills(facts) == [2, -2]
    assert of(facts, Order)[-1].reduce_only
    assert ("on_order", "CANCELED") in notes["a"].events
    assert len(of(facts, Signal)) == 3, "to close what is flat is no signal"


# --- cancel, amend --------------------------------------------------------------------------------


def test_only_orders_of_its_own_are_canceled_or_amended():
    found = {}

    def rest(context):
        yield Submit(BTC, BUY, D(1), terms=FAR)
        found[context.orders()[0].id] = True

    def meddle(context):
        (other,) = found
        yield from (CancelOrder(other), AmendOrder(other, size=D(5)), CancelAll())

    facts, notes = trade(row("a", {1: rest}), row("b", {3: meddle}))
    assert notes["b"].events == [("on_refusal", "ORDER_UNKNOWN")] * 2
    assert ("on_order", "CANCELED") not in notes["a"].events
    assert not of(facts, Fill)


def test_own_orders_are_amended_and_canceled_in_one_instrument_or_in_all():
    def rest(_):
        yield from (Submit(each, BUY, D(1), terms=FAR) for each in (BTC, BTC))

    def amend(context):
        first, second = context.orders(BTC)
        yield AmendOrder(first.id, size=D(2), limit=D(60))
        yield CancelOrder(second.id)

    def look(context):
        (order,) = context.orders()
        assert (order.size, order.limit, order.leaves) == (2, 60, 2)
        yield from (CancelAll(ETH), CancelAll(BTC))

    def look_again(context):
        assert context.orders() == ()
        yield SetTimer(context.time_ns + 1, "looked")

    bars = {1: rest, 3: amend, 5: look, 7: look_again}
    _, notes = trade(row(bars=bars, instruments=(BTC, ETH)))
    kinds = [kind for handler, kind in notes["a"].events if handler == "on_order"]
    assert (kinds.count("AMENDED"), kinds.count("CANCELED")) == (1, 2)
    assert notes["a"].events[-1] == ("on_timer", "looked")


# --- refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (Submit(COINBASE, BUY, D(1)), "NOT_TRADED"),
        (Submit(ETH, BUY, D(1)), "PRICE_UNKNOWN"),
        (Target(ETH, D(1)), "PRICE_UNKNOWN"),
        (Submit(BTC, BUY, D("0.4")), "SIZE_BELOW_LOT"),
        (Submit(BTC, BUY, D(0)), "SIZE_BELOW_LOT"),
        (Submit(BTC, BUY, D(-1)), "SIZE_BELOW_LOT"),
        (Submit(BTC, BUY, D(1), terms=Terms(type="limit")), "TERMS"),
        (Submit(BTC, BUY, D(1), exits=(Leg(SELL, D(1), Terms(type="stop")),)), "TERMS"),
        (Submit(BTC, BUY), "SIZE_UNKNOWN"),
        (CancelOrder("nobody's"), "ORDER_UNKNOWN"),
    ],
    ids=lambda each: each if isinstance(each, str) else type(each).__name__,
)
def test_what_cannot_be_an_order_is_refused_as_a_decision_and_handled(request_, reason):
    sizing = EquityShare(D("0.1")) if reason == "SIZE_UNKNOWN" else None
    bars = {2: lambda _: [request_]}
    facts, notes = trade(row(bars=bars, instruments=(BTC, ETH), sizing=sizing))
    (decision,) = of(facts, Decision)
    assert (decision.decision, decision.reason, decision.size) == ("DENIED", reason, 0)
    assert notes["a"].events == [("on_refusal", reason)]
    assert not of(facts, Order)


def test_a_size_that_a_request_leaves_out_is_that_of_the_row_at_the_price_of_the_place():
    bars = {2: lambda context: [Submit(BTC, BUY, context.size(BTC)), Submit(BTC, BUY)]}
    accounts = {name: replace(each, capital=D(10_000)) for name, each in BASE.accounts.items()}
    for sizing, size in ((Notional(D(260)), D("2.5")), (EquityShare(D("0.03")), D(3))):
        facts, _ = trade(row(bars=bars, sizing=sizing), accounts=accounts)
        assert fills(facts) == [size, size]
    assert fills(trade(row(bars=bars, size="1.5"))[0]) == [D("1.5")] * 2


def test_a_later_strategy_at_the_same_bar_sees_the_order_of_the_one_before():
    bars = {2: lambda _: [Submit(BTC, BUY, D(1))]}  # position_max of the account is 1
    rows = [row(name, bars, account="main") for name in ("b", "a")]
    facts, notes = trade(*rows)
    assert notes["b"].events == [("on_refusal", "POSITION_LIMIT")]
    assert [each.strategy for each in of(facts, Order)] == ["a"]


def test_a_refusal_is_handled_before_the_next_bar_and_may_be_answered():
    def answer(refusal, _):
        if refusal.reason == "SIZE_BELOW_LOT":
            yield Submit(BTC, BUY, D(1))

    bars = {2: lambda _: [Submit(BTC, BUY, D("0.1"))]}
    facts, _ = trade(row(bars=bars, others={"on_refusal": answer}))
    refused, approved = of(facts, Decision)
    assert approved.time_ns == refused.time_ns
    assert of(facts, Signal)[1].bar_id == refused.order_id


# --- exits, slices, watches, timers ---------------------------------------------------------------


def test_exits_and_slices_of_a_request_take_the_place_of_those_of_the_row():
    stop = Leg(SELL, D(1), Terms(type="stop", trigger=D(99)))
    bars = {
        1: lambda _: [Submit(BTC, BUY, D(1), exits=(stop,))],
        4: lambda _: [Submit(BTC, BUY, D(2), slicing=Slicing("twap", count=2, every_ns=S))],
    }
    facts, _ = trade(row(bars=bars), prices=(100,) * 4 + (98, 97) + (100,) * 6)
    assert [each.role for each in of(facts, Order)].count("child") == 2
    assert fills(facts) == [1, -1, 1, 1]


def test_a_watch_is_met_at_a_later_row_once_and_one_of_its_name_takes_its_place():
    bars = {
        1: lambda _: [WatchPrice(BTC, above=100.0, name="now")],  # 100 at this row, at the next too
        2: lambda _: [
            WatchPrice(BTC, below=98.0, name="low"),
            WatchPrice(BTC, above=98, name="up"),
        ],
        3: lambda _: [WatchPrice(BTC, below=90.0, name="low")],
        4: lambda _: [
            WatchPrice(BTC, below=99.0, name="gone"),
            WatchPrice(BTC, name="gone"),
            WatchPrice(BTC, above=200.0, below=97.0, name="edge"),
        ],
    }
    _, notes = trade(row(bars=bars), prices=(100, 100, 100, 99, 98, 97, 90, 89, 89))
    prices = [name for handler, name in notes["a"].events if handler == "on_price"]
    assert prices == ["now 100.0", "up 99.0", "edge 97.0", "low 90.0"]


def test_timers_come_once_by_time_then_name_and_late_ones_at_once():
    def begin(context):
        for name, wait in (("b", S), ("a", S), ("late", -S), ("0 moved", S), ("ended", S)):
            yield SetTimer(context.time_ns + wait, name)
        yield SetTimer(context.time_ns + 2 * S, "0 moved")
        yield SetTimer(None, "ended")
        yield SetTimer(context.time_ns + 900 * S, "after the log")

    _, notes = trade(row(bars={1: begin}))
    assert notes["a"].events == [("on_timer", name) for name in ("late", "a", "b", "0 moved")]


@pytest.mark.parametrize("order", [(), (1, 1)], ids=["its end first", "the ends of others first"])
def test_what_is_due_in_the_past_comes_after_the_bars_that_the_end_of_the_log_closes(order):
    bars = {
        3: lambda context: [SetTimer(context.time_ns - S, "first")],  # both bars stand at the
        4: lambda context: [SetTimer(context.time_ns - 2 * S, "second")],  # last record
    }
    desk = desk_of(row(bars=bars))
    state, _ = run(desk, received_by(desk, decided_of(log_of((100,) * 4), [1]), order))
    assert state.strategies.running["a"].state.events == [
        ("on_timer", "second"), ("on_timer", "first"),
    ]  # fmt: skip


# --- a state goes on with another job -------------------------------------------------------------


def halves(desk):
    """Return what a desk receives: up to the middle of a log, and the rest of it."""
    values = received_by(desk, decided_of(log_of(), [1]), [1, 1, 0, 0, 0, 0, 0, 1, 0])
    return values[:8], values[8:]


def go_on(before, after, **changes):
    """Return the state of a desk of `after` that goes on with that of a desk of `before`."""
    old, new = desk_of(*before), desk_of(*after, **changes)
    first, rest = halves(old)
    state = new.restore(old.snapshot(run(old, first)[0]))
    for value in rest:
        state, _ = new.step(state, value)
    return {name: each.state for name, each in state.strategies.running.items()}


class Newer(Scripted):
    """The same, with a state of another version."""

    version = 2


def test_a_state_of_another_version_or_kind_is_refused():
    newer = declare_row("a", Newer(bars={}, others={}), instruments=(BTC,))
    for other in (replace(newer, kind="Scripted"), replace(row(), kind="other.py:Scripted")):
        with pytest.raises(TapeflowError, match=r"strategy a is .* of version .* another name"):
            go_on([row()], [other])


def test_a_strategy_may_join_and_one_that_is_flat_may_leave():
    notes = go_on([row("a"), row("b")], [row("b"), row("c")])
    assert notes.keys() == {"b", "c"}
    assert notes["b"].bars > notes["c"].bars > 0


def test_a_strategy_that_holds_something_may_not_leave():
    bars = {1: lambda _: [Submit(BTC, BUY, D(1))]}
    with pytest.raises(
        TapeflowError, match=r"strategy a of account wide holds 1 BTC-USDT\.BINANCE"
    ):
        go_on([row("a", bars), row("b")], [row("b")])


def test_watches_and_timers_of_a_state_go_on():
    bars = {
        5: lambda context: [  # at the last record of the state
            WatchPrice(BTC, above=100.0, name="w", on="trade"),
            SetTimer(context.time_ns + 2 * S, "t"),
        ]
    }
    notes = go_on([row("a", bars)], [row("a", bars, instruments=(BTC, ETH))])
    assert set(notes["a"].events) == {("on_price", "w 100.0"), ("on_timer", "t")}


def test_a_timer_that_is_set_anew_at_every_bar_takes_no_more_memory():
    bars = {
        number: (lambda context: [SetTimer(context.time_ns + 1000 * S)]) for number in range(300)
    }
    desk = desk_of(row(bars=bars))
    state, _ = run(desk, received_by(desk, decided_of(log_of((100,) * 300), [3])))
    assert len(state.strategies.timers) <= 102
    assert len(state.strategies.running["a"].timers) == 1


# --- what handlers give is made what the desk stores ------------------------------------------------


def test_a_watch_in_decimals_and_terms_in_floats_are_met_and_restored():
    def enter(context):
        yield WatchPrice(BTC, above=D("103"), name="up")
        yield Submit(BTC, BUY, 1, Terms(type="limit", limit=99.0))
        yield SetTimer(context.time_ns + 3 * S, "later")

    rising = (100, 100, 101, 102, 103, 104, 98, 98, 98)
    desk = desk_of(row(bars={1: enter}))
    state, facts = desk.initial(), []
    received = received_by(desk, decided_of(log_of(rising), [1]))
    for batch in sorted(received, key=lambda each: each.partition == "binance-0"):  # others end
        state = desk.restore(desk.snapshot(state))
        state, out = desk.step(state, batch)
        facts += out
    assert [each.limit for each in of(facts, Order)] == [D("99.0")]
    assert fills(facts) == [1]
    assert {name for name, _ in state.strategies.running["a"].state.events} >= {"on_price"}


@pytest.mark.parametrize(
    ("request_", "line"),
    [
        (Submit(BTC, 1.0), "side is 1.0"),
        (Submit(BTC, BUY, exit_rule="XX"), "exit_rule is 'XX'"),
        (Submit(BTC, BUY, slicing=Slicing("twap")), "twap needs count"),
        (Submit(BTC, BUY, slicing=Slicing("nope")), "slicing.kind is 'nope'"),
        (Submit(BTC, BUY, terms=Terms(expire_ns=1.5e18)), "expire_ns is 1.5e+18"),
        (Submit(BTC, BUY, exits=(Leg(1.0, D(1), Terms()),)), "side is 1.0"),
        (SetTimer(10**20), "it is no time of a log"),
        (SetTimer(5, name=7), "name is 7"),
        (WatchPrice(BTC, above=float("nan")), "above is nan"),
    ],
    ids=str,
)
def test_a_request_of_wrong_types_ends_the_run_and_names_the_handler(request_, line):
    with pytest.raises(StrategyError, match=re.escape(line)):
        trade(row(bars={2: lambda _: [request_]}))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"size": D("0.4")}, "SIZE_BELOW_LOT"),
        ({"size": D(-5)}, "SIZE_BELOW_LOT"),
        ({"limit": D(0)}, "TERMS"),
    ],
)
def test_an_order_is_amended_to_no_size_and_no_price_that_is_none(change, reason):
    resting = Terms(type="limit", limit=D(90))
    bars = {
        1: lambda _: [Submit(BTC, BUY, D(1), resting)],
        4: lambda context: [AmendOrder(context.orders(BTC)[0].id, **change)],
    }
    facts, _ = trade(row(bars=bars))
    (refused,) = [each for each in of(facts, Decision) if each.decision == "DENIED"]
    assert refused.reason == reason


def test_the_decimal_context_of_a_handler_is_its_own():
    def spoil(context):
        decimal.getcontext().prec = 4
        yield Submit(BTC, BUY, D("1.5"))
        with decimal.localcontext() as own:
            own.prec = 2
            yield Submit(BTC, SELL, D("1.5"))

    def trades(bars):
        facts, _ = trade(row(bars=bars), prices=tuple(100.12345 + n / 7 for n in range(9)))
        return [(each.price, each.fee) for each in of(facts, Fill)]

    plain = {2: lambda _: [Submit(BTC, BUY, D("1.5")), Submit(BTC, SELL, D("1.5"))]}
    assert trades({2: spoil}) == trades(plain)


@pytest.mark.parametrize("ask", ["holding", "entry_price", "orders", "size", "last", "bars"])
def test_an_instrument_that_there_is_not_is_an_error_of_every_question(ask):
    with pytest.raises(StrategyError, match="'BTC' is no instrument of the job"):
        trade(row(bars={1: lambda context: getattr(context, ask)("BTC")}))


class Plain(Scripted):
    """A strategy whose state is no Struct: after a restart it would be another one."""

    def start(self):
        return {"held": D(1)}


def test_a_state_that_is_no_struct_is_refused_at_the_start():
    with pytest.raises(StrategyError, match="a state is a msgspec Struct, not a dict"):
        desk_of(declare_row("a", Plain(bars={}, others={}), instruments=(BTC,))).initial()


def test_in_the_warm_up_every_request_for_an_order_is_refused_as_that():
    sizing = EquityShare(D("0.1"))  # not known: the account declares no capital
    asks = [Submit(BTC, BUY), Submit(ETH, BUY, 1), Submit(BTC, BUY, 0), Target(BTC, 1)]
    facts, _ = trade(
        row(bars={2: lambda _: asks}, instruments=(BTC, ETH), sizing=sizing), warm_up_ns=60 * S
    )
    assert [each.reason for each in of(facts, Decision)] == ["WARM_UP"] * len(asks)
