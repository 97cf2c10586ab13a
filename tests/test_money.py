"""The money of an account: any price, a strategy that is gone, marks that are old."""

import math
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tapeflow.connectors.duckdb.fact_digest import digest_of
from tapeflow.operators.desk.selection import desk_batch
from tapeflow.operators.desk.step import Desk
from tapeflow.schemas.accounts import Decision, Equity, Limits, Position
from tapeflow.schemas.arrow import to_record_batch
from tapeflow.schemas.market import MarkPrices
from tapeflow.schemas.orders import Fill, Order
from tapeflow.schemas.registry import BY_TYPE
from tapeflow.schemas.sides import BUY, SELL
from tapeflow.schemas.tables import columns
from tapeflow.schemas.time import NO_TIME
from tests.columns import batch, heartbeat, ints, tick, with_quotes
from tests.frames import S
from tests.plain_flow import IDS, INSTRUMENTS
from tests.test_desk import BTC, ETH, LIMITS, A, account, facts_of, intent, only

NUMBERS = st.sampled_from(
    [0.0, -1.0, 1e-13, 1e-12, 0.004, 80.2, 100.0, 101.0, 999.0, 1e11, 1e12, 1e13, 1e60, 1e300, 5e-324, math.nan, math.inf, -math.inf]
)  # fmt: skip


def with_mark_prices(log, *rows):
    """Return a batch with mark prices of BTC: (offset, log time, price)."""
    prices = np.array([price for *_, price in rows], np.float64)
    offsets, log_ns = ints(row[0] for row in rows), ints(row[1] for row in rows)
    never = np.full(len(rows), NO_TIME)
    where = (offsets, log_ns, ints([BTC] * len(rows)), log_ns)
    marks = MarkPrices(*where, prices, prices, prices, never)
    return log.replace(market=replace(log.market, mark_prices=marks))


# --- any price -----------------------------------------------------------------------------------

RECORDS = st.lists(
    st.tuples(st.sampled_from(["trade", "quote", "mark", "intent"]), NUMBERS, NUMBERS, st.sampled_from([BUY, SELL])),
    min_size=1, max_size=12,
)  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(RECORDS, st.sampled_from(["0.001", "1", "1000"]))
def test_no_price_of_any_table_ends_a_run_or_leaves_its_table(records, multiplier):
    rows = [replace(row, multiplier=Decimal(multiplier)) for row in INSTRUMENTS.rows]
    log_ns = [5 * S + number * S for number in range(len(records) + 2)]
    ticks = [tick(log_ns[0], 100.0, instrument=BTC), tick(log_ns[1], 101.0, instrument=BTC)]
    quoted, marks, intents = [], [], [intent(BTC, BUY, 0, log_ns[0])]
    for number, (kind, first, second, side) in enumerate(records, 2):
        at = (number, log_ns[number])
        ticks.append(tick(at[1], first, instrument=BTC) if kind == "trade" else heartbeat(at[1]))
        if kind == "quote":
            quoted.append((*at, BTC, first, second))
        if kind == "mark":
            marks.append((*at, first))
        if kind == "intent":
            intents.append(intent(BTC, side, *at, price=first, number=number, size=1000))
    log = batch(*ticks, end_of_log=True, intents=tuple(intents))
    log = with_mark_prices(with_quotes(log, *quoted), *marks)
    limits = Limits(Decimal(10**10), Decimal(10**23), 100, S)
    table = type(INSTRUMENTS).from_rows(rows)
    facts = facts_of(account(A, limits=limits, sample_ns=S, instruments=table, latency_ns=0), log)
    for kind in (Decision, Order, Fill, Position, Equity):
        assert to_record_batch(kind, only(kind, facts)).num_rows == len(only(kind, facts))
    printed = [Decimal(repr(each.price)) for each in ticks if hasattr(each, "price")]
    assert {fill.price for fill in only(Fill, facts)} <= set(printed)
    assert all(1e-12 <= fill.price < 1e12 for fill in only(Fill, facts))


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(1, 10**9), st.sampled_from([BUY, SELL])), min_size=1, max_size=9
    ),
    st.integers(0, 8),
)
def test_cash_adds_up_exactly_at_any_price_that_is_printed(trades, decimals):
    """realized - cost = the sum of what was received less what was paid, to the last digit."""
    scale = Decimal(1).scaleb(-decimals)
    log_ns = [5 * S + number * S for number in range(len(trades) + 1)]
    ticks = [tick(log_ns[0], 1.0, instrument=BTC)]
    ticks += [
        tick(at, float(units * scale), instrument=BTC)
        for at, (units, _) in zip(log_ns[1:], trades, strict=True)
    ]
    intents = tuple(
        intent(BTC, side, number, log_ns[number], number=number, size="0.5")
        for number, (_, side) in enumerate(trades)
    )
    limits = Limits(Decimal(10**10), Decimal(10**23), 100, S)
    context = account(A, limits=limits, latency_ns=0, money_digits=12)
    facts = facts_of(context, batch(*ticks, end_of_log=True, intents=intents))
    fills, position = only(Fill, facts), only(Position, facts)[-1]
    assert [fill.price for fill in fills] == [units * scale for units, _ in trades]
    cash = sum((-fill.side * fill.price * fill.size for fill in fills), Decimal(0))
    assert position.realized - position.cost == cash
    assert position.quantity == sum(fill.side * fill.size for fill in fills)


# --- a mark that is old --------------------------------------------------------------------------


def stale_marks(*records, stale_s=3, quoted=(), intents=None):
    """Return (time, time of the stale mark) in s of each row of equity, bought by the first."""
    intents = (intent(BTC, BUY, 0, 5 * S),) if intents is None else intents
    log = with_quotes(batch(*records, end_of_log=True, intents=intents), *quoted)
    facts = facts_of(account(A, sample_ns=2 * S, stale_mark_ns=stale_s * S), log)
    return [
        (each.time_ns / S, each.stale_mark_ns and each.stale_mark_ns / S)
        for each in only(Equity, facts)
    ]


BOUGHT = (tick(5 * S, 100.0, instrument=BTC), tick(6 * S, 100.0, instrument=BTC))


def test_equity_names_the_time_of_a_mark_that_is_too_old():
    other = [tick(at * S, 50.0, instrument=ETH) for at in (7, 9, 11)]
    expected = [(8, None), (10, 6), (11, 6)]
    assert stale_marks(*BOUGHT, *other) == expected
    assert stale_marks(*BOUGHT, *other, stale_s=5) == [(8, None), (10, None), (11, None)]


@pytest.mark.parametrize("first", [BTC, ETH])
def test_of_two_positions_the_older_mark_is_named(first):
    second = ETH if first == BTC else BTC
    log = [tick(at * S, 100.0, instrument=first) for at in (5, 6)]
    log += [tick(at * S, 50.0, instrument=second) for at in (7, 9, 11)]
    both = (intent(first, BUY, 0, 5 * S), intent(second, BUY, 2, 7 * S))
    assert stale_marks(*log, intents=both) == [(8, None), (10, 6), (11, 6)]


def test_a_quote_renews_a_mark_and_one_that_is_no_market_does_not():
    other = [tick(at * S, 50.0, instrument=ETH) for at in (7, 9, 11)]
    good, crossed = [(3, 9 * S, BTC, 99.0, 101.0)], [(3, 9 * S, BTC, 101.0, 99.0)]
    assert stale_marks(*BOUGHT, *other, quoted=good) == [(8, None), (10, None), (11, None)]
    assert stale_marks(*BOUGHT, *other, quoted=crossed) == [(8, None), (10, 6), (11, 6)]


def test_a_position_that_is_flat_has_no_mark():
    intents = (intent(BTC, BUY, 0, 5 * S), intent(BTC, SELL, 1, 6 * S, number=1))
    log = (*BOUGHT, tick(7 * S, 100.0, instrument=BTC), tick(20 * S, 1.0, instrument=ETH))
    assert stale_marks(*log, heartbeat(22 * S), intents=intents)[-1] == (22, None)


def test_the_digest_of_equity_changes_only_where_a_mark_is_stale():
    row = Equity(1, "main", "trend", S, *[Decimal(0)] * 5)
    kind = BY_TYPE[Equity]
    assert "stale_mark_time" in [column.name for column in columns(Equity)]
    fresh, stale = digest_of(kind, [row]), digest_of(kind, [replace(row, stale_mark_ns=5)])
    assert (
        fresh == "90706097883582578ed90ef043f255e84e405f2760b317d33433cd2926cdb7dc"
    )  # as before it
    assert fresh != stale != digest_of(kind, [replace(row, stale_mark_ns=6)])


# --- a strategy that is gone ---------------------------------------------------------------------


def test_what_a_strategy_that_is_gone_holds_is_valued_and_counts_in_the_limits():
    #   gone bought 4 and has an order resting; another job resumes the state: nothing decides for it
    context = account(A, sample_ns=2 * S, fee_rate=Decimal(0))
    step = Desk(context)
    intents = (
        intent(BTC, BUY, 0, 5 * S, size=4, strategy="gone"),
        intent(BTC, SELL, 1, 6 * S, size=1, strategy="gone", number=1),
    )
    first = batch(*BOUGHT, intents=intents)
    state, facts = step.step(step.initial(), desk_batch(first, context))
    assert [fact.quantity for fact in facts if isinstance(fact, Position)] == [4]
    state = step.restore(step.snapshot(state))
    more = batch(
        tick(8 * S, 110.0, instrument=BTC), heartbeat(11 * S), first_offset=2, end_of_log=True,
        intents=(intent(BTC, BUY, 2, 8 * S, size=3, strategy="new", number=3),),
    )  # fmt: skip
    _, facts = step.step(state, desk_batch(more, context))
    assert [(fill.strategy, fill.side, fill.price) for fill in only(Fill, facts)] == [
        ("gone", SELL, 110)
    ]
    assert only(Equity, facts)[-1].strategy == "gone"
    assert only(Equity, facts)[-1].equity == 40  # 4 from 100 to 110
    (decision,) = only(Decision, facts)
    assert decision.reason == "POSITION_LIMIT"  # 4 - 1 + 3 > 5
    assert LIMITS.position_max == 5


@pytest.mark.parametrize("side", [BUY, SELL])
def test_an_absurd_quote_and_a_trade_out_of_range_end_nothing(side):
    log = batch(*BOUGHT, heartbeat(7 * S), tick(8 * S, 1e60, instrument=BTC), heartbeat(9 * S), end_of_log=True)  # fmt: skip
    log = with_quotes(log, (2, 7 * S, BTC, 1e60, 2e60)).replace(
        intents=(intent(BTC, side, 0, 5 * S),)
    )
    facts = facts_of(account(A, sample_ns=S, fee_rate=Decimal(0)), log)
    assert {each.equity for each in only(Equity, facts)} == {0}
    assert IDS[BTC] == only(Fill, facts)[0].instrument
