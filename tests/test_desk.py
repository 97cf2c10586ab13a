"""An account's desk: wishes become decisions, orders, fills, positions and equity, each at its place."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tapeflow.flows.job import wiring as jobs
from tapeflow.flows.job.sections import InstrumentRow
from tapeflow.operators.desk.step import Desk, account_batch
from tapeflow.schemas.accounts import Decision, Equity, Limits, Position
from tapeflow.schemas.arrow import to_record_batch
from tapeflow.schemas.errors import TapeflowError
from tapeflow.schemas.market import ACCEPTED, BUY, DUPLICATE, LATE, SELL
from tapeflow.schemas.orders import Fill, Order
from tapeflow.schemas.signals import Intent, Signal
from tests import frames
from tests.frames import (
    JOB,
    MS,
    NAMES,
    TABLE,
    S,
    account_batches,
    batch,
    cut,
    flow_steps,
    heartbeat,
    inputs_of,
    interleaved,
    tick,
    values_of,
    with_quotes,
)
from tests.laws import run
from tests.reference import oracle

BTC, ETH = NAMES.index("BTC-USDT.BINANCE"), NAMES.index("ETH-USDT.BINANCE")
FOREIGN_RATE = NAMES.index("BTC-USD.COINBASE")
LIMITS = Limits(Decimal(5), Decimal(10**6), 100, S)
A, B = "binance-0", "coinbase-0"


def desk_of(*partitions, limits=LIMITS, **more):
    mine = jobs.accounts_of(JOB, TABLE, partitions)["main"]
    return replace(mine, limits=limits, **more)


def intent(of, side, offset, at, *, price=100.0, size=1, number=0, strategy="trend", partition=A):
    """A wish made by the record at `offset`, logged `at`."""
    signal = Signal(
        f"{strategy}-{of}-{number}", strategy, NAMES[of], at, side, 1.0, "a bar", number * S, price, partition, offset
    )  # fmt: skip
    return Intent("main", signal, Decimal(str(size)))


def facts_of(desk, *given_batches):
    """All that the desk says of these batches, in this order of arrival."""
    step = Desk({"main": desk})
    state, said = step.initial(), []
    for each in given_batches:
        state = step.restore(step.snapshot(state))
        state, out = step.step(state, account_batch(each, account="main"))
        said += out
    assert [each.seq for each in said] == [*range(1, len(said) + 1)]
    return said


def kinds(facts):
    return [type(each).__name__ for each in facts if not isinstance(each, Equity)]


def only(kind, facts):
    return [each for each in facts if isinstance(each, kind)]


# --- from a wish to a position ------------------------------------------------------------------


def test_a_wish_is_decided_ordered_filled_and_booked():
    #   5 s wish      5.25 active       5.3 fill
    log = batch(
        tick(5 * S, 100.0, of=BTC), tick(5_300 * MS, 101.0, of=BTC), heartbeat(6 * S), end=True
    )
    facts = facts_of(desk_of(A), log.replace(intents=(intent(BTC, BUY, 0, 5 * S),)))
    assert kinds(facts) == ["Decision", "Order", "Fill", "Position"]
    decision, order, fill, position = facts[:4]
    assert (decision.decision, decision.reason, decision.ref_price) == ("APPROVED", "", 100)
    assert order.id == decision.order_id == fill.order_id
    assert (order.time_ns, order.active_ns, order.partition, order.offset) == (
        5 * S,
        5_250 * MS,
        A,
        0,
    )
    assert (fill.price, fill.size, fill.log_ns, fill.offset) == (101, 1, 5_300 * MS, 1)
    assert (fill.fee, fill.fee_currency, fill.liquidity) == (Decimal("0.101"), "USDT", "TAKER")
    assert (position.quantity, position.cost, position.fill_id) == (1, 101, fill.id)


def test_a_wish_that_risk_denies_is_a_decision_and_nothing_else():
    log = batch(tick(5 * S, of=BTC), tick(9 * S, of=BTC), end=True)
    facts = facts_of(desk_of(A), log.replace(intents=(intent(BTC, BUY, 0, 5 * S, size=6),)))
    assert kinds(facts) == ["Decision"]
    assert (facts[0].decision, facts[0].reason) == ("DENIED", "POSITION_LIMIT")


def test_an_order_that_no_trade_meets_stays_unfilled():
    log = batch(tick(5 * S, of=BTC), tick(9 * S, of=ETH), end=True)
    assert kinds(facts_of(desk_of(A), log.replace(intents=(intent(BTC, BUY, 0, 5 * S),)))) == [
        "Decision",
        "Order",
    ]


def test_trades_that_were_spoken_against_fill_nothing():
    log = batch(
        tick(5 * S, of=BTC), tick(6 * S, of=BTC, verdict=LATE), tick(7 * S, of=BTC, verdict=DUPLICATE),
        tick(8 * S, 70.0, of=BTC), end=True,
    )  # fmt: skip
    facts = facts_of(desk_of(A), log.replace(intents=(intent(BTC, BUY, 0, 5 * S),)))
    assert [fill.offset for fill in only(Fill, facts)] == [3]


def test_the_deciding_records_own_trade_never_fills_its_order():
    log = batch(tick(5 * S, 1.0, of=BTC), tick(5 * S, 2.0, of=BTC), end=True)
    facts = facts_of(desk_of(A, latency_ns=0), log.replace(intents=(intent(BTC, BUY, 0, 5 * S),)))
    assert [(fill.offset, fill.price) for fill in only(Fill, facts)] == [(1, 2)]


def test_an_order_rests_over_pages_and_restarts_until_its_trade_comes():
    pages = [batch(tick(5 * S, of=BTC)).replace(intents=(intent(BTC, SELL, 0, 5 * S),))]
    pages += [batch(heartbeat((5 + lo) * S), lo=lo) for lo in range(1, 5)]
    pages += [batch(tick(10 * S, 70.0, of=BTC), lo=5), batch(heartbeat(11 * S), lo=6)]
    facts = facts_of(desk_of(A), *pages)
    assert kinds(facts) == ["Decision", "Order", "Fill", "Position"]
    assert only(Fill, facts)[0].offset == 5


def test_a_trade_may_fill_several_orders_in_the_order_they_were_decided():
    wishes = (
        intent(BTC, BUY, 0, 5 * S, strategy="b"),
        intent(BTC, BUY, 0, 5 * S, strategy="a", size=2),
    )
    log = batch(tick(5 * S, of=BTC), tick(6 * S, 70.0, of=BTC), end=True)
    facts = facts_of(desk_of(A), log.replace(intents=wishes))
    assert [(fill.strategy, fill.size, fill.offset) for fill in only(Fill, facts)] == [
        ("a", 2, 1),
        ("b", 1, 1),
    ]


def test_a_fill_is_on_the_tick_and_money_on_its_digits():
    log = batch(tick(5 * S, of=BTC), tick(6 * S, 99.9, of=BTC), end=True)
    desk = desk_of(A, fee_rate=Decimal("0.00033"), money_digits=2)
    (fill,) = only(Fill, facts_of(desk, log.replace(intents=(intent(BTC, BUY, 0, 5 * S),))))
    assert fill.price == 100  # 99.9 to the tick of 0.25
    assert fill.fee == Decimal("0.03")


def test_ids_are_the_same_in_every_run_and_differ_by_account():
    log = batch(tick(5 * S, of=BTC), tick(6 * S, of=BTC), end=True).replace(
        intents=(intent(BTC, BUY, 0, 5 * S),)
    )
    one, two = (facts_of(desk_of(A), log) for _ in range(2))
    assert one == two
    other = facts_of(desk_of(A, account="main2"), log)
    assert {each.id for each in only(Order, one) + only(Fill, one)}.isdisjoint(
        each.id for each in only(Order, other) + only(Fill, other)
    )


# --- the order of things ------------------------------------------------------------------------


def test_at_one_place_the_trade_fills_first_and_then_the_signals_are_decided():
    #   offset 0 wish     offset 1: its trade fills that order, and the bar it closed makes a wish
    wishes = (intent(BTC, BUY, 0, 5 * S), intent(BTC, SELL, 1, 6 * S, number=1))
    log = batch(tick(5 * S, of=BTC), tick(6 * S, of=BTC), heartbeat(7 * S), end=True)
    facts = facts_of(desk_of(A), log.replace(intents=wishes))
    assert kinds(facts) == ["Decision", "Order", "Fill", "Position", "Decision", "Order"]


def test_signals_of_one_record_are_decided_by_end_of_bar_then_instrument_then_strategy():
    wishes = (
        intent(ETH, BUY, 0, 5 * S, number=2), intent(ETH, BUY, 0, 5 * S, number=1, strategy="b"),
        intent(ETH, BUY, 0, 5 * S, number=1, strategy="a"), intent(BTC, BUY, 0, 5 * S, number=1, strategy="z"),
    )  # fmt: skip
    facts = facts_of(desk_of(A), batch(tick(5 * S, of=BTC), end=True).replace(intents=wishes))
    assert [(each.close_ns // S, each.instrument[:3], each.strategy) for each in only(Decision, facts)] == [
        (1, "BTC", "z"), (1, "ETH", "a"), (1, "ETH", "b"), (2, "ETH", "trend"),
    ]  # fmt: skip


def test_wishes_of_several_partitions_are_decided_in_log_order_however_they_come():
    #   binance-0   5 .    7 .      coinbase-0   6 .   7 .        of equal times by the partition's name
    def of_a(lo):
        return batch(tick((5 + 2 * lo) * S, of=BTC), lo=lo, partition=A).replace(
            intents=(intent(BTC, BUY, lo, (5 + 2 * lo) * S, number=lo),)
        )

    def of_b(lo):
        return batch(tick((6 + lo) * S, of=FOREIGN_RATE), lo=lo, partition=B).replace(
            intents=(intent(FOREIGN_RATE, BUY, lo, (6 + lo) * S, number=lo, partition=B),)
        )

    ends = [batch(lo=2, end=True, partition=A), batch(lo=2, end=True, partition=B)]
    orders = [
        [of_a(0), of_a(1), of_b(0), of_b(1), *ends],
        [of_b(0), of_b(1), of_a(0), of_a(1), *ends[::-1]],
        [of_a(0), of_b(0), of_b(1), ends[1], of_a(1), ends[0]],
    ]
    said = [facts_of(desk_of(A, B), *order) for order in orders]
    assert said[0] == said[1] == said[2]
    assert [each.time_ns // S for each in only(Decision, said[0])] == [5, 6, 7, 7]
    assert [each.instrument for each in only(Decision, said[0])][2:] == [
        NAMES[BTC],
        NAMES[FOREIGN_RATE],
    ]


def test_signals_of_the_end_of_a_tape_do_not_wait_for_the_others_to_end():
    #   binance-0 ends at 5 with a wish; coinbase-0 is at 9 and has not ended
    end = batch(lo=1, end=True).replace(intents=(intent(BTC, BUY, 0, 5 * S, number=9),))
    facts = facts_of(
        desk_of(A, B),
        batch(tick(5 * S, of=BTC)),
        batch(tick(9 * S, of=FOREIGN_RATE), partition=B),
        end,
    )
    assert kinds(facts) == ["Decision", "Order"]


def test_nothing_is_said_of_what_another_partition_may_still_precede():
    log = batch(tick(5 * S, of=BTC), tick(6 * S, of=BTC)).replace(
        intents=(intent(BTC, BUY, 0, 5 * S),)
    )
    assert facts_of(desk_of(A, B), log) == []
    assert facts_of(desk_of(A, B), log, batch(heartbeat(5 * S), partition=B)) != []
    assert kinds(facts_of(desk_of(A, B), log, batch(heartbeat(4 * S), partition=B))) == []


def test_an_instrument_from_two_partitions_is_refused_with_what_to_do():
    one = batch(tick(5 * S, of=BTC), partition=A)
    two = batch(tick(5 * S, of=BTC), partition=B)
    with pytest.raises(
        TapeflowError, match=r"BTC-USDT.BINANCE comes from two partitions, binance-0 and coinbase-0"
    ):
        facts_of(desk_of(A, B), one, two)


def test_the_desk_is_told_of_judged_trades_and_of_its_own_wishes():
    others = replace(intent(BTC, BUY, 0, 5 * S), account="wide")
    seen = batch(tick(5 * S), tick(6 * S, verdict=LATE), lo=3).replace(
        intents=(intent(BTC, SELL, 3, 5 * S), others)
    )
    told = account_batch(seen, account="main")
    assert (told.first_offset, told.next_offset, told.log_ns) == (3, 5, 6 * S)
    assert told.market.trades.verdict.tolist() == [ACCEPTED, LATE]
    assert [each.account for each in told.intents] == ["main"]
    assert len(account_batch(seen, account="nobody").intents) == 0


# --- equity -------------------------------------------------------------------------------------


def equities(*records, quoted=(), sample_s=3, wishes=None, end=True):
    """(time, equity) after a wish of the first record."""
    wishes = (intent(BTC, BUY, 0, records[0].log_ns),) if wishes is None else wishes
    log = with_quotes(batch(*records, end=end).replace(intents=wishes), *quoted)
    facts = facts_of(desk_of(A, sample_ns=sample_s * S, fee_rate=Decimal(0)), log)
    return [(each.time_ns / S, each.equity) for each in only(Equity, facts)]


def test_equity_is_sampled_before_the_first_record_at_or_after_its_time():
    #   5 wish  5.5 fill @ 100    6: the sample is due, and the trade at 6 comes behind it
    log = [
        tick(5 * S, of=BTC),
        tick(5_500 * MS, 100.0, of=BTC),
        tick(6 * S, 107.0, of=BTC),
        tick(6_500 * MS, of=BTC),
    ]
    assert equities(*log) == [(6.0, 0), (6.5, 0)]
    log[2] = tick(6 * S - 1, 107.0, of=BTC)
    assert equities(*log)[0] == (6.0, 7)


def test_equity_is_not_sampled_before_the_first_fill_and_then_at_every_multiple():
    #   wish at 5, fill at 10, the log goes on to 17.5
    log = [
        tick(5 * S, of=BTC),
        tick(10 * S, of=BTC),
        tick(17 * S, 103.0, of=BTC),
        heartbeat(17_500 * MS),
    ]
    assert equities(*log) == [(12.0, 0), (17.5, 3)]
    log.insert(2, tick(14 * S, of=ETH))  # a tick of any instrument is the market's
    assert equities(*log) == [(12.0, 0), (15.0, 0), (17.5, 3)]


def test_a_fill_exactly_at_a_sample_is_sampled_at_the_next():
    log = [tick(5 * S, of=BTC), tick(9 * S, of=BTC), heartbeat(12 * S), heartbeat(13 * S)]
    assert [at for at, _ in equities(*log)] == [12.0, 13.0]


def test_without_an_end_there_is_no_last_sample():
    log = [tick(5 * S, of=BTC), tick(10 * S, of=BTC), heartbeat(13 * S)]
    assert [at for at, _ in equities(*log, end=False)] == [12.0]


def test_years_in_which_nothing_is_heard_cost_no_samples():
    years = 3 * 365 * 86_400 * S
    quiet = [heartbeat(years * n // 100) for n in range(1, 100)]
    log = [tick(5 * S, of=BTC), tick(10 * S, of=BTC), *quiet, tick(years + S // 2, 104.0, of=BTC)]
    after = years // S
    assert equities(*log, heartbeat(years + 8 * S)) == [
        (12.0, 0),
        (after + 3.0, 4),
        (after + 8.0, 4),
    ]


def test_a_long_is_marked_at_the_bid_and_a_short_at_the_ask():
    log = [
        tick(5 * S, of=BTC),
        tick(6_500 * MS, 100.0, of=BTC),
        heartbeat(7 * S),
        heartbeat(10 * S),
    ]
    quoted = [(2, 7 * S, BTC, 98.0, 105.0)]
    assert equities(*log, quoted=quoted)[0] == (9.0, -2)
    short = (intent(BTC, SELL, 0, 5 * S),)
    assert equities(*log, quoted=quoted, wishes=short)[0] == (9.0, -5)


def test_every_strategy_that_has_traded_has_a_row():
    wishes = (intent(BTC, BUY, 0, 5 * S, strategy="b"), intent(ETH, BUY, 0, 5 * S, strategy="a"))
    log = [tick(5 * S, of=BTC), tick(7 * S, of=BTC), tick(8 * S, of=ETH), heartbeat(9 * S)]
    facts = facts_of(desk_of(A, sample_ns=3 * S), batch(*log, end=True).replace(intents=wishes))
    assert [(each.time_ns // S, each.strategy) for each in only(Equity, facts)] == [
        (9, "a"), (9, "b"), (9, "a"), (9, "b"),
    ]  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(frames.logs(), st.sampled_from([each.name for each in JOB.accounts]))
def test_equity_is_what_the_positions_are_worth(log, account):
    """equity = realized + unrealized - fees, and of a flat strategy that is cash."""
    steps = flow_steps()
    facts = run(
        steps["desk"], interleaved(account_batches(log, [20], steps, account), [0, 1, 2] * 99)
    )[1]
    held = {}
    for fact in facts:
        if isinstance(fact, Position):
            held[fact.strategy, fact.instrument] = fact
        if isinstance(fact, Equity):
            mine = [each for (strategy, _), each in held.items() if strategy == fact.strategy]
            assert fact.equity == fact.realized + fact.unrealized - fact.fees
            assert fact.realized == sum(each.realized for each in mine)
            assert fact.fees == sum(each.fees for each in mine)
            assert fact.gross >= 0 and fact.equity.is_finite()
            if all(each.quantity == 0 for each in mine):
                assert fact.unrealized == fact.gross == 0


# --- any price a venue may write ----------------------------------------------------------------

ODD_PRICES = [1e-14, 0.1234567890123456, 1e26, 1e60, 1e300, 5e-324]


@pytest.mark.parametrize("price", ODD_PRICES)
def test_a_decision_on_any_price_fits_its_table(price):
    log = batch(tick(5 * S, price, of=BTC), end=True).replace(
        intents=(intent(BTC, BUY, 0, 5 * S, price=price),)
    )
    (decision, *_) = facts_of(desk_of(A), log)
    assert to_record_batch(Decision, [decision]).num_rows == 1


@pytest.mark.parametrize("price", ODD_PRICES)
def test_a_fill_at_any_price_is_booked_and_fits_its_table(price):
    wish = (intent(BTC, BUY, 0, 5 * S, price=1.0),)
    log = batch(tick(5 * S, 1.0, of=BTC), tick(6 * S, price, of=BTC), end=True).replace(
        intents=wish
    )
    facts = facts_of(desk_of(A), log)
    for kind in (Fill, Position, Equity):
        assert to_record_batch(kind, only(kind, facts)).num_rows == len(only(kind, facts))


# --- against the reference job ------------------------------------------------------------------

SPOT = ("binance-0", "coinbase-0")
STEP = InstrumentRow.model_validate({"tick": "0.05", "lot": "0.5"})
REFERENCE = JOB.model_copy(
    update={
        "dedupe": JOB.dedupe.model_copy(update={"window": 4096}),
        "channels": {"binance": ("trade",), "coinbase": ("match",)},
        "instruments": {name: STEP for name in NAMES if not name.endswith("USDM")},
        "accounts": JOB.accounts[:1],
        "strategies": JOB.strategies[:1],
    }
)


@pytest.fixture(scope="module")
def small_oracle():
    """The reference job with quick averages, narrow limits, and the instruments of these tests."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "FAST": 1,
            "SLOW": 2,
            "MAX_GROSS": 420,
            "MAX_ORDERS": 4,
            "ORDER_WINDOW": 4 * S,
        }.items():
            patch.setattr(oracle, name, value)
        universe = {
            f"{pair}{quote}" for pair in frames.PAIRS for quote in ("USDT.BINANCE", "-USD.COINBASE")
        }
        patch.setattr(oracle, "UNIVERSE", universe)
        yield oracle


def theirs(name):
    """Our name of an instrument in the reference job's words."""
    pair, _, venue = name.partition(".")
    return f"{pair.replace('-', '') if venue == 'BINANCE' else pair}.{venue}"


@settings(max_examples=150, deadline=None)
@given(log=frames.logs(SPOT), sizes=frames.sizes(1), turns=frames.turns())
def test_the_flow_says_what_the_reference_job_says(small_oracle, log, sizes, turns):
    records = [
        [
            small_oracle.read_record(name, offset, b"%d %b\n" % line)
            for offset, line in enumerate(mine)
        ]
        for name, mine in log.items()
    ]
    expected = small_oracle.run(records)
    steps = flow_steps(REFERENCE, SPOT)
    facts = run(steps["desk"], interleaved(account_batches(log, sizes, steps, "main"), turns))[1]
    bars = [
        bar
        for name, mine in log.items()
        for each in inputs_of("desk", cut(name, mine, sizes), steps)
        for bar in values_of(each, sorted(REFERENCE.instruments))
    ]

    assert sorted(
        (
            theirs(b.instrument),
            b.open_ns,
            b.open,
            b.high,
            b.low,
            b.close,
            b.count,
            (b.log_ns, b.partition, b.offset),
        )
        for b in bars
    ) == sorted(
        (b.instrument, b.start_ns, b.open, b.high, b.low, b.close, b.trades, b.closed_at)
        for b in expected.bars
    )
    decided = [
        (theirs(d.instrument), d.close_ns, d.side, float(d.ref_price), d.reason or "APPROVED")
        for d in only(Decision, facts)
    ]
    assert decided == [(*signal[:4], decision) for signal, decision in expected.decisions]
    orders = {each.id: each for each in only(Order, facts)}
    causes = {each.order_id: each.close_ns for each in only(Decision, facts)}
    assert sorted(
        (theirs(f.instrument), causes[f.order_id], f.side, float(f.price), f.event_ns, f.trade_id)
        for f in only(Fill, facts)
    ) == sorted(each[:6] for each in expected.fills)
    assert len(only(Fill, facts)) <= len(orders)
    last = {theirs(each.instrument): each for each in only(Position, facts)}
    for name, position in expected.positions.items():
        mine = last.get(name)
        assert position.units == (mine.quantity if mine else 0)
        assert position.realized == pytest.approx(
            float(mine.realized) if mine else 0, rel=1e-9, abs=1e-9
        )
        assert position.fees == pytest.approx(float(mine.fees) if mine else 0, rel=1e-9)
