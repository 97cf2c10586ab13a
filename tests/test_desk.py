"""The desk of an account: intents become decisions, orders, fills, positions and equity."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tapeflow.flows.job import portfolio
from tapeflow.flows.job.instrument_rows import InstrumentRow
from tapeflow.operators.desk.selection import desk_batch
from tapeflow.operators.desk.step import Desk
from tapeflow.operators.desk.venue.rules import Latency
from tapeflow.schemas.accounts import Decision, Equity, Limits, Position
from tapeflow.schemas.arrow import to_record_batch
from tapeflow.schemas.errors import TapeflowError
from tapeflow.schemas.market import DUPLICATE, LATE
from tapeflow.schemas.orders import Fill, Order
from tapeflow.schemas.sides import BUY, SELL
from tapeflow.schemas.signals import Intent, Signal
from tests import frames
from tests.columns import bar_values, batch, heartbeat, tick, with_quotes
from tests.frames import MS, S, to_pages
from tests.laws import run
from tests.plain_flow import (
    IDS,
    INSTRUMENTS,
    JOB,
    desk_batches,
    facts_of_account,
    flow_steps,
    inputs_of,
    interleave,
    money_rules,
)
from tests.reference import oracle

BTC, ETH = IDS.index("BTC-USDT.BINANCE"), IDS.index("ETH-USDT.BINANCE")
BTC_COINBASE = IDS.index("BTC-USD.COINBASE")
LIMITS = Limits(Decimal(5), Decimal(10**6), 100, S)
A, B = "binance-0", "coinbase-0"


def account(*partitions, limits=LIMITS, name="main", latency_ns=250 * MS, **changes):
    """Return the settings of a desk of one account, with changes."""
    desk = portfolio.desk_settings(JOB, INSTRUMENTS, partitions)
    paper = replace(desk.paper, entry=Latency(latency_ns))
    accounts = {name: replace(desk.accounts["main"], name=name, limits=limits)}
    money = money_rules(desk.money, changes)
    return replace(desk, accounts=accounts, paper=paper, money=money, **changes)


def intent(
    instrument,
    side,
    offset,
    log_ns,
    *,
    price=100.0,
    size=1,
    number=0,
    strategy="trend",
    partition=A,
    account="main",
):
    """Return an intent decided by the record at `offset`, on the bar that ends at second `number`."""
    signal = Signal(
        f"{strategy}-{instrument}-{number}", strategy, IDS[instrument], log_ns, side, 1.0, "a bar", number * S,
        price, partition, offset,
    )  # fmt: skip
    return Intent(account, signal, Decimal(str(size)))


def facts_of(desk, *values):
    """Return the facts of these batches in this order of arrival, with a restart before each."""
    step = Desk(desk)
    state, facts = step.initial(), []
    for value in values:
        state = step.restore(step.snapshot(state))
        state, out = step.step(state, desk_batch(value, desk))
        facts += out
    assert [fact.seq for fact in facts] == [*range(1, len(facts) + 1)]
    return facts


def kinds(facts):
    """Return the names of the types of facts, without equity."""
    return [type(fact).__name__ for fact in facts if not isinstance(fact, Equity)]


def only(kind, facts):
    return [fact for fact in facts if isinstance(fact, kind)]


# --- from an intent to a position ---------------------------------------------------------------


def test_an_intent_becomes_a_decision_an_order_a_fill_and_a_position():
    #   5 s intent    5.25 active       5.3 fill
    log = batch(
        tick(5 * S, 100.0, instrument=BTC),
        tick(5_300 * MS, 101.0, instrument=BTC),
        heartbeat(6 * S),
        end_of_log=True,
    )
    facts = facts_of(account(A), log.replace(intents=(intent(BTC, BUY, 0, 5 * S),)))
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


def test_an_intent_that_risk_denies_is_only_a_decision():
    log = batch(tick(5 * S, instrument=BTC), tick(9 * S, instrument=BTC), end_of_log=True)
    facts = facts_of(account(A), log.replace(intents=(intent(BTC, BUY, 0, 5 * S, size=6),)))
    assert kinds(facts) == ["Decision"]
    assert (facts[0].decision, facts[0].reason) == ("DENIED", "POSITION_LIMIT")


def test_an_order_without_a_matching_trade_stays_unfilled():
    log = batch(tick(5 * S, instrument=BTC), tick(9 * S, instrument=ETH), end_of_log=True)
    assert kinds(facts_of(account(A), log.replace(intents=(intent(BTC, BUY, 0, 5 * S),)))) == [
        "Decision",
        "Order",
    ]


def test_only_accepted_trades_fill_orders():
    log = batch(
        tick(5 * S, instrument=BTC), tick(6 * S, instrument=BTC, verdict=LATE), tick(7 * S, instrument=BTC, verdict=DUPLICATE),
        tick(8 * S, 70.0, instrument=BTC), end_of_log=True,
    )  # fmt: skip
    facts = facts_of(account(A), log.replace(intents=(intent(BTC, BUY, 0, 5 * S),)))
    assert [fill.offset for fill in only(Fill, facts)] == [3]


def test_the_deciding_records_own_trade_never_fills_its_order():
    log = batch(tick(5 * S, 1.0, instrument=BTC), tick(5 * S, 2.0, instrument=BTC), end_of_log=True)
    facts = facts_of(account(A, latency_ns=0), log.replace(intents=(intent(BTC, BUY, 0, 5 * S),)))
    assert [(fill.offset, fill.price) for fill in only(Fill, facts)] == [(1, 2)]


def test_an_order_rests_over_pages_and_restarts_until_it_is_filled():
    pages = [batch(tick(5 * S, instrument=BTC)).replace(intents=(intent(BTC, SELL, 0, 5 * S),))]
    pages += [batch(heartbeat((5 + offset) * S), first_offset=offset) for offset in range(1, 5)]
    pages += [
        batch(tick(10 * S, 70.0, instrument=BTC), first_offset=5),
        batch(heartbeat(11 * S), first_offset=6),
    ]
    facts = facts_of(account(A), *pages)
    assert kinds(facts) == ["Decision", "Order", "Fill", "Position"]
    assert only(Fill, facts)[0].offset == 5


def test_one_trade_fills_several_orders_in_the_order_of_deciding():
    intents = (
        intent(BTC, BUY, 0, 5 * S, strategy="b"),
        intent(BTC, BUY, 0, 5 * S, strategy="a", size=2),
    )
    log = batch(tick(5 * S, instrument=BTC), tick(6 * S, 70.0, instrument=BTC), end_of_log=True)
    facts = facts_of(account(A), log.replace(intents=intents))
    assert [(fill.strategy, fill.size, fill.offset) for fill in only(Fill, facts)] == [
        ("a", 2, 1),
        ("b", 1, 1),
    ]


def test_a_fill_has_the_printed_price_and_money_is_rounded_to_its_digits():
    log = batch(tick(5 * S, instrument=BTC), tick(6 * S, 99.9, instrument=BTC), end_of_log=True)
    context = account(A, fee_rate=Decimal("0.00033"), money_digits=2)
    (fill,) = only(Fill, facts_of(context, log.replace(intents=(intent(BTC, BUY, 0, 5 * S),))))
    assert fill.price == Decimal("99.9")  # the tick is 0.25
    assert fill.fee == Decimal("0.03")


def test_ids_are_the_same_in_every_run_and_differ_by_account():
    log = batch(tick(5 * S, instrument=BTC), tick(6 * S, instrument=BTC), end_of_log=True).replace(
        intents=(intent(BTC, BUY, 0, 5 * S),)
    )
    first, second = (facts_of(account(A), log) for _ in range(2))
    assert first == second
    renamed = log.replace(intents=(intent(BTC, BUY, 0, 5 * S, account="main2"),))
    other = facts_of(account(A, name="main2"), renamed)
    ids = {fact.id for fact in only(Order, first) + only(Fill, first)}
    assert ids.isdisjoint(fact.id for fact in only(Order, other) + only(Fill, other))


# --- the order of events ------------------------------------------------------------------------


def test_at_one_position_fills_come_before_decisions():
    #   offset 0 intent   offset 1: its trade fills that order, and the bar it closes gives an intent
    intents = (intent(BTC, BUY, 0, 5 * S), intent(BTC, SELL, 1, 6 * S, number=1))
    log = batch(
        tick(5 * S, instrument=BTC), tick(6 * S, instrument=BTC), heartbeat(7 * S), end_of_log=True
    )
    facts = facts_of(account(A), log.replace(intents=intents))
    assert kinds(facts) == ["Decision", "Order", "Fill", "Position", "Decision", "Order"]


def test_intents_of_one_record_are_by_end_of_bar_instrument_strategy():
    intents = (
        intent(ETH, BUY, 0, 5 * S, number=2), intent(ETH, BUY, 0, 5 * S, number=1, strategy="b"),
        intent(ETH, BUY, 0, 5 * S, number=1, strategy="a"), intent(BTC, BUY, 0, 5 * S, number=1, strategy="z"),
    )  # fmt: skip
    facts = facts_of(
        account(A), batch(tick(5 * S, instrument=BTC), end_of_log=True).replace(intents=intents)
    )
    assert [(each.close_ns // S, each.instrument[:3], each.strategy) for each in only(Decision, facts)] == [
        (1, "BTC", "z"), (1, "ETH", "a"), (1, "ETH", "b"), (2, "ETH", "trend"),
    ]  # fmt: skip


def test_intents_of_several_partitions_are_decided_in_log_order():
    #   binance-0   5 .    7 .      coinbase-0   6 .   7 .        of equal times by the partition's name
    def of_a(offset):
        log_ns = (5 + 2 * offset) * S
        return batch(
            tick(log_ns, instrument=BTC),
            first_offset=offset,
            partition=A,
            intents=(intent(BTC, BUY, offset, log_ns, number=offset),),
        )

    def of_b(offset):
        log_ns = (6 + offset) * S
        return batch(
            tick(log_ns, instrument=BTC_COINBASE),
            first_offset=offset,
            partition=B,
            intents=(intent(BTC_COINBASE, BUY, offset, log_ns, number=offset, partition=B),),
        )

    ends = [
        batch(first_offset=2, end_of_log=True, partition=A),
        batch(first_offset=2, end_of_log=True, partition=B),
    ]
    orders = [
        [of_a(0), of_a(1), of_b(0), of_b(1), *ends],
        [of_b(0), of_b(1), of_a(0), of_a(1), *ends[::-1]],
        [of_a(0), of_b(0), of_b(1), ends[1], of_a(1), ends[0]],
    ]
    facts = [facts_of(account(A, B), *order) for order in orders]
    assert facts[0] == facts[1] == facts[2]
    assert [each.time_ns // S for each in only(Decision, facts[0])] == [5, 6, 7, 7]
    assert [each.instrument for each in only(Decision, facts[0])][2:] == [
        IDS[BTC],
        IDS[BTC_COINBASE],
    ]


def test_intents_at_the_end_of_a_log_do_not_wait_for_other_ends():
    #   binance-0 ends at 5 with an intent; coinbase-0 is at 9 and has not ended
    end = batch(first_offset=1, end_of_log=True).replace(
        intents=(intent(BTC, BUY, 0, 5 * S, number=9),)
    )
    facts = facts_of(
        account(A, B),
        batch(tick(5 * S, instrument=BTC)),
        batch(tick(9 * S, instrument=BTC_COINBASE), partition=B),
        end,
    )
    assert kinds(facts) == ["Decision", "Order"]


def test_nothing_is_decided_that_another_partition_may_precede():
    log = batch(tick(5 * S, instrument=BTC), tick(6 * S, instrument=BTC)).replace(
        intents=(intent(BTC, BUY, 0, 5 * S),)
    )
    assert facts_of(account(A, B), log) == []
    assert facts_of(account(A, B), log, batch(heartbeat(5 * S), partition=B)) != []
    assert kinds(facts_of(account(A, B), log, batch(heartbeat(4 * S), partition=B))) == []


def test_an_instrument_from_two_partitions_is_refused():
    first = batch(tick(5 * S, instrument=BTC), partition=A)
    second = batch(tick(5 * S, instrument=BTC), partition=B)
    with pytest.raises(
        TapeflowError, match=r"BTC-USDT.BINANCE comes from two partitions, binance-0 and coinbase-0"
    ):
        facts_of(account(A, B), first, second)


def test_the_desk_receives_the_accepted_trades_and_all_intents():
    of_another = intent(BTC, BUY, 0, 5 * S, account="wide")
    whole = batch(tick(5 * S), tick(6 * S, verdict=LATE), first_offset=3).replace(
        intents=(intent(BTC, SELL, 3, 5 * S), of_another)
    )
    received = desk_batch(whole, account(A))
    assert (received.first_offset, received.next_offset, received.log_ns) == (3, 5, 6 * S)
    assert received.market.trades.offset.tolist() == [3]
    assert [each.account for each in received.intents] == ["main", "wide"]


# --- equity -------------------------------------------------------------------------------------


def equities(*records, quoted=(), sample_s=3, intents=None, end_of_log=True):
    """Return (time in s, equity) of each sample, after an intent of the first record."""
    intents = (intent(BTC, BUY, 0, records[0].log_ns),) if intents is None else intents
    log = with_quotes(batch(*records, end_of_log=end_of_log, intents=intents), *quoted)
    facts = facts_of(account(A, sample_ns=sample_s * S, fee_rate=Decimal(0)), log)
    return [(each.time_ns / S, each.equity) for each in only(Equity, facts)]


def test_equity_is_sampled_before_the_first_record_at_or_after_its_time():
    #   5 intent   5.5 fill @ 100    6: the sample is due, the trade at 6 comes after it
    log = [
        tick(5 * S, instrument=BTC),
        tick(5_500 * MS, 100.0, instrument=BTC),
        tick(6 * S, 107.0, instrument=BTC),
        tick(6_500 * MS, instrument=BTC),
    ]
    assert equities(*log) == [(6.0, 0), (6.5, 0)]
    log[2] = tick(6 * S - 1, 107.0, instrument=BTC)
    assert equities(*log)[0] == (6.0, 7)


def test_equity_is_sampled_at_multiples_after_the_first_fill():
    #   intent at 5, fill at 10, the log goes on to 17.5
    log = [
        tick(5 * S, instrument=BTC),
        tick(10 * S, instrument=BTC),
        tick(17 * S, 103.0, instrument=BTC),
        heartbeat(17_500 * MS),
    ]
    assert equities(*log) == [(12.0, 0), (17.5, 3)]
    log.insert(2, tick(14 * S, instrument=ETH))  # a tick of any instrument is the market's
    assert equities(*log) == [(12.0, 0), (15.0, 0), (17.5, 3)]


def test_a_fill_exactly_at_a_sample_is_in_the_next_sample():
    log = [
        tick(5 * S, instrument=BTC),
        tick(9 * S, instrument=BTC),
        heartbeat(12 * S),
        heartbeat(13 * S),
    ]
    assert [time for time, _ in equities(*log)] == [12.0, 13.0]


def test_a_log_without_an_end_has_no_last_sample():
    log = [tick(5 * S, instrument=BTC), tick(10 * S, instrument=BTC), heartbeat(13 * S)]
    assert [time for time, _ in equities(*log, end_of_log=False)] == [12.0]


def test_years_without_a_tick_cost_no_samples():
    years = 3 * 365 * 86_400 * S
    quiet = [heartbeat(years * n // 100) for n in range(1, 100)]
    log = [
        tick(5 * S, instrument=BTC),
        tick(10 * S, instrument=BTC),
        *quiet,
        tick(years + S // 2, 104.0, instrument=BTC),
    ]
    after = years // S
    assert equities(*log, heartbeat(years + 8 * S)) == [
        (12.0, 0),
        (after + 3.0, 4),
        (after + 8.0, 4),
    ]


def test_a_long_is_marked_at_the_bid_and_a_short_at_the_ask():
    log = [
        tick(5 * S, instrument=BTC),
        tick(6_500 * MS, 100.0, instrument=BTC),
        heartbeat(7 * S),
        heartbeat(10 * S),
    ]
    quoted = [(2, 7 * S, BTC, 98.0, 105.0)]
    assert equities(*log, quoted=quoted)[0] == (9.0, -2)
    short = (intent(BTC, SELL, 0, 5 * S),)
    assert equities(*log, quoted=quoted, intents=short)[0] == (9.0, -5)


def test_every_strategy_that_has_traded_has_a_row_of_equity():
    intents = (intent(BTC, BUY, 0, 5 * S, strategy="b"), intent(ETH, BUY, 0, 5 * S, strategy="a"))
    log = [
        tick(5 * S, instrument=BTC),
        tick(7 * S, instrument=BTC),
        tick(8 * S, instrument=ETH),
        heartbeat(9 * S),
    ]
    facts = facts_of(
        account(A, sample_ns=3 * S), batch(*log, end_of_log=True).replace(intents=intents)
    )
    assert [(each.time_ns // S, each.strategy) for each in only(Equity, facts)] == [
        (9, "a"), (9, "b"), (9, "a"), (9, "b"),
    ]  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(frames.logs(), st.sampled_from([each.name for each in JOB.accounts]))
def test_equity_is_the_sum_of_the_positions(log, name):
    """equity = realized + unrealized - fees; a flat strategy has no unrealized profit."""
    steps = flow_steps()
    received = desk_batches(log, [20], steps)
    facts = facts_of_account(run(steps["desk"], interleave(received, [0, 1, 2] * 99))[1], name)
    positions = {}
    for fact in facts:
        if isinstance(fact, Position):
            positions[fact.strategy, fact.instrument] = fact
        if isinstance(fact, Equity):
            held = [each for (strategy, _), each in positions.items() if strategy == fact.strategy]
            assert fact.equity == fact.realized + fact.unrealized - fact.fees
            assert fact.realized == sum(each.realized for each in held)
            assert fact.fees == sum(each.fees for each in held)
            assert fact.gross >= 0 and fact.equity.is_finite()
            if all(each.quantity == 0 for each in held):
                assert fact.unrealized == fact.gross == 0


# --- extreme prices -----------------------------------------------------------------------------

EXTREME_PRICES = [1e-14, 0.1234567890123456, 1e26, 1e60, 1e300, 5e-324]


@pytest.mark.parametrize("price", EXTREME_PRICES)
def test_a_decision_on_any_price_fits_its_table(price):
    log = batch(tick(5 * S, price, instrument=BTC), end_of_log=True).replace(
        intents=(intent(BTC, BUY, 0, 5 * S, price=price),)
    )
    (decision, *_) = facts_of(account(A), log)
    assert to_record_batch(Decision, [decision]).num_rows == 1


@pytest.mark.parametrize("price", EXTREME_PRICES)
def test_a_fill_at_any_price_fits_its_table(price):
    log = batch(
        tick(5 * S, 1.0, instrument=BTC),
        tick(6 * S, price, instrument=BTC),
        end_of_log=True,
        intents=(intent(BTC, BUY, 0, 5 * S, price=1.0),),
    )
    facts = facts_of(account(A), log)
    for kind in (Fill, Position, Equity):
        assert to_record_batch(kind, only(kind, facts)).num_rows == len(only(kind, facts))


# --- against the reference job ------------------------------------------------------------------

SPOT = ("binance-0", "coinbase-0")
STEP = InstrumentRow.model_validate({"tick": "0.05", "lot": "0.5"})
REFERENCE = JOB.model_copy(
    update={
        "dedupe": JOB.dedupe.model_copy(update={"window": 4096}),
        "channels": {"binance": ("trade",), "coinbase": ("match",)},
        "instruments": {name: STEP for name in IDS if not name.endswith("USDM")},
        "accounts": JOB.accounts[:1],
        "strategies": JOB.strategies[:1],
    }
)


@pytest.fixture(scope="module")
def small_oracle():
    """The reference job with short averages, narrow limits, and the instruments of these tests."""
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


def reference_id(name):
    """Return the reference job's name of an instrument."""
    pair, _, venue = name.partition(".")
    return f"{pair.replace('-', '') if venue == 'BINANCE' else pair}.{venue}"


@settings(max_examples=150, deadline=None)
@given(log=frames.logs(SPOT), sizes=frames.page_sizes(1), order=frames.arrival_orders())
def test_the_flow_gives_the_facts_of_the_reference_job(small_oracle, log, sizes, order):
    records = [
        [
            small_oracle.read_record(name, offset, b"%d %b\n" % line)
            for offset, line in enumerate(lines)
        ]
        for name, lines in log.items()
    ]
    expected = small_oracle.run(records)
    steps = flow_steps(REFERENCE, SPOT)
    facts = run(steps["desk"], interleave(desk_batches(log, sizes, steps), order))[1]
    bars = [
        bar
        for name, lines in log.items()
        for output in inputs_of("desk", to_pages(name, lines, sizes), steps)
        for bar in bar_values(output, sorted(REFERENCE.instruments))
    ]

    assert sorted(
        (
            reference_id(b.instrument),
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
        (reference_id(d.instrument), d.close_ns, d.side, float(d.ref_price), d.reason or "APPROVED")
        for d in only(Decision, facts)
    ]
    assert decided == [(*signal[:4], decision) for signal, decision in expected.decisions]
    orders = {each.id: each for each in only(Order, facts)}
    close_ns = {each.order_id: each.close_ns for each in only(Decision, facts)}
    assert sorted(
        (
            reference_id(f.instrument),
            close_ns[f.order_id],
            f.side,
            float(f.price),
            f.event_ns,
            f.trade_id,
        )
        for f in only(Fill, facts)
    ) == sorted(each[:6] for each in expected.fills)
    assert len(only(Fill, facts)) <= len(orders)
    last = {reference_id(each.instrument): each for each in only(Position, facts)}
    for name, position in expected.positions.items():
        found = last.get(name)
        assert position.units == (found.quantity if found else 0)
        assert position.realized == pytest.approx(
            float(found.realized) if found else 0, rel=1e-9, abs=1e-9
        )
        assert position.fees == pytest.approx(float(found.fees) if found else 0, rel=1e-9)
