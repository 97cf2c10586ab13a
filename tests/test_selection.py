"""The desk is sent few of the ticks, and values positions as if it had been sent all of them."""

import math
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tapeflow.engine.plain import with_views
from tapeflow.operators.desk.marks import Marks
from tapeflow.operators.desk.selection import desk_batch, rows_before_samples, rows_traded
from tapeflow.schemas.columns import NARROW_ROWS
from tapeflow.schemas.desk_market import DeskTrades
from tapeflow.schemas.errors import TapeflowError
from tapeflow.schemas.market import LATE, Market, MarkPrices
from tests.columns import batch, desk_ticks, heartbeat, ints, quotes, tick, with_quotes
from tests.frames import S
from tests.test_desk import A, B, account, facts_of

SAMPLE_NS = 3 * S
CONTEXT = replace(account(A, sample_ns=SAMPLE_NS), stores_quotes=False)
NAN = math.nan


def received(whole, context=CONTEXT):
    """Return a batch as the desk receives it."""
    return desk_batch(whole, context)


def sent_quotes(*rows):
    """Return the offsets of the quotes that are sent, of (log time in s, instrument, bid, ask)."""
    numbered = [(offset, int(at * S), *rest) for offset, (at, *rest) in enumerate(rows)]
    log = [heartbeat(log_ns) for _, log_ns, *_ in numbered]
    return received(with_quotes(batch(*log), *numbered)).market.quotes.offset.tolist()


# --- which rows -----------------------------------------------------------------------------------


def test_of_each_instrument_the_last_quote_before_each_sample_is_sent():
    #   samples at 3 and 6: a quote at 3 comes after the first of them
    rows = [(1, 0, 99, 101), (2, 1, 99, 101), (2.9, 0, 98, 100), (3, 0, 97, 99), (5, 0, 96, 98)]
    assert sent_quotes(*rows) == [1, 2, 4]


def test_a_quote_that_is_no_market_does_not_take_the_place_of_one_that_is():
    crossed, absurd = (2, 0, 101, 99), (2, 0, 1e13, 2e13)
    assert sent_quotes((1, 0, 99, 101), crossed, absurd) == [0]
    assert sent_quotes((1, 0, 99, 101), (2, 0, NAN, 0)) == [1]  # no market any more


def test_where_no_quote_is_a_market_one_is_sent_so_that_a_sample_is_taken():
    crossed = [(at, 0, 101, 99) for at in (1, 2, 3, 4)]
    assert sent_quotes(*crossed) == [1, 3]
    assert sent_quotes(*crossed[:2], (2, 1, 99, 101)) == [2]


def test_trades_are_sent_that_were_accepted_at_prices_that_are_traded():
    log = batch(
        tick(S, 100.0),
        tick(S, 101.0, verdict=LATE),
        [tick(2 * S, 1e12), tick(2 * S, 1e-12), tick(2 * S, 9e-13)],
    )
    assert received(log).market.trades.price.tolist() == [100.0, 1e-12]


def test_a_batch_names_all_instruments_that_it_has_a_tick_of():
    log = batch(tick(S, verdict=LATE, instrument=3), [tick(2 * S, 1e12, instrument=1)])
    crossed = with_quotes(log, (0, S, 4, 101.0, 99.0), (0, S, 2, 99.0, 101.0))
    assert received(crossed).instruments.tolist() == [1, 2, 3, 4]
    assert received(batch(heartbeat(S))).instruments.tolist() == []


def test_an_instrument_with_quotes_of_no_market_in_two_partitions_is_refused():
    one, other = (
        with_quotes(batch(heartbeat(at), partition=name), (0, at, 0, 101.0, 99.0))
        for at, name in ((S, A), (2 * S, B))
    )
    with pytest.raises(TapeflowError, match="comes from two partitions, binance-0 and coinbase-0"):
        facts_of(account(A, B), one, other)


def test_a_page_without_records_is_sent_with_its_place():
    one = received(batch(first_offset=7, end_of_log=True))
    assert (one.first_offset, one.next_offset, one.log_ns, one.end_of_log) == (7, 7, 0, True)


def test_every_quote_is_sent_where_orders_meet_quotes_or_the_clock_of_the_venue_is_read():
    log = with_quotes(
        batch(tick(S), tick(2 * S)), (0, S, 0, 99.0, 101.0), (1, 2 * S, 0, 101.0, 99.0)
    )
    sized = replace(CONTEXT, paper=replace(CONTEXT.paper, model="sized"))
    for settings_ in (sized, replace(CONTEXT, venue_clock=True)):
        assert received(log, settings_).market.quotes.bid.tolist() == [99.0, 101.0]
    assert received(log).market.quotes.bid.tolist() == [99.0]


# --- the law ------------------------------------------------------------------------------------

PRICES = st.sampled_from([0.0, NAN, 99.0, 100.0, 101.0, 1e13, 9e-13])
ROWS = st.lists(
    st.tuples(st.sampled_from([0, S // 2, S, 2 * S]), st.integers(0, 2), PRICES, PRICES),
    min_size=1,
    max_size=25,
)


def market_of(drawn):
    """Return a market of trades, quotes and mark prices, a row of each of them in each record."""
    count = len(drawn)
    log_ns = np.cumsum([gap for gap, *_ in drawn])
    number, bid, ask = (np.array(each) for each in list(zip(*drawn, strict=True))[1:])
    records = [
        tick(at, 100.0 + i % 3, instrument=n)
        for i, (at, n) in enumerate(zip(log_ns.tolist(), number.tolist(), strict=True))
    ]
    trades = batch(*records).market.trades
    table = quotes(*zip(range(count), log_ns, number, bid, ask, strict=True))
    marks = MarkPrices(ints(range(count)), log_ns, number, log_ns, ask, bid, bid, log_ns)
    return Market(trades.take(number != 1), table, marks.take(number != 0))  # not each of each


def valuations(market, before_ns):
    """Return what every position would be valued at before a time, and which ticks came when."""
    marks = Marks.empty(3)
    changed = set()
    for ticks in market:
        rows = ticks.take(ticks.log_ns < before_ns)
        marks.update(rows)
        changed |= set((rows.log_ns // SAMPLE_NS).tolist())
    at = [marks.closing_price(n, long=long) for n in range(3) for long in (True, False)]
    return str(at), changed


@settings(max_examples=300, deadline=None)
@given(ROWS)
def test_before_every_sample_positions_are_valued_as_by_all_ticks(drawn):
    market = market_of(drawn)
    whole = replace(batch(*[heartbeat(S)] * len(drawn)), market=market)
    sent = received(whole).market.columns()
    all_ticks = [desk_ticks(each) for each in market.columns()]
    end_ns = int(market.quotes.log_ns[-1]) + SAMPLE_NS
    for before_ns in range(0, end_ns + SAMPLE_NS, SAMPLE_NS):
        assert valuations(sent, before_ns) == valuations(all_ticks, before_ns)


# --- between processes ----------------------------------------------------------------------------

BIG = 2**62
COLUMN = st.integers(-BIG, BIG) | st.integers(10**18, 10**18 + 300)


@settings(max_examples=200, deadline=None)
@given(st.lists(COLUMN, max_size=5), st.sampled_from([1, NARROW_ROWS]), st.booleans())
def test_columns_come_out_of_a_pickle_as_they_went_in(drawn, times, near):
    values = [10**18 + each % 70_000 for each in drawn] if near else drawn
    column = np.array(values * times, np.int64)
    prices = np.array([NAN, -0.0, 1e300, 5e-324, 100.25] * (len(column) // 5 + 1))[: len(column)]
    trades = DeskTrades(column, column[::-1], column, column, column, column, prices, prices)
    found = pickle.loads(pickle.dumps(trades))
    assert type(found) is DeskTrades
    for before, after in zip(trades.arrays(), found.arrays(), strict=True):
        assert before.tobytes() == after.tobytes() and before.dtype == after.dtype
        assert after.flags.writeable and after.flags.c_contiguous


def test_the_ticks_of_a_large_page_cross_in_a_sixth_of_their_bytes():
    count = 3000
    log = [
        [tick(S + i * 100_000, 100.0, instrument=i % 6), tick(S, 1.0, verdict=LATE)]
        for i in range(count)
    ]
    whole = with_quotes(
        batch(*log), *((i, S + i * 100_000, i % 6, 99.0, 101.0) for i in range(count))
    )
    before = sum(column.nbytes for table in whole.market.columns() for column in table.arrays())
    assert len(pickle.dumps(received(whole))) < before / 6


# --- without numba --------------------------------------------------------------------------------


@settings(max_examples=100, deadline=None)
@given(ROWS)
def test_the_kernels_choose_the_same_rows_in_plain_python(drawn):
    market = market_of(drawn)
    quoted, traded = market.quotes, market.trades
    for plain in (lambda kernel: kernel.__wrapped__, lambda kernel: with_views(kernel.__wrapped__)):
        results = []
        for kernel_of in (lambda kernel: kernel, plain):
            seen, rows = np.zeros(3, np.int64), np.zeros(len(quoted), np.int64)
            where = (quoted.log_ns, quoted.instrument, quoted.bid, quoted.ask)
            begin = kernel_of(rows_before_samples)(*where, SAMPLE_NS, seen, rows)
            more = np.zeros(len(traded), np.int64)
            trades = (traded.instrument, traded.verdict, traded.price)
            count = kernel_of(rows_traded)(*trades, seen, more)
            results.append((rows[begin:].tolist(), more[:count].tolist(), seen.tolist()))
        assert results[0] == results[1]
