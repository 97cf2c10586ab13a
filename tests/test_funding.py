"""Funding: what venues say of it, when it is due, and what positions pay; by venues' own examples."""

import math
from decimal import Decimal, localcontext
from itertools import count
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapeflow.operators.decode.scanner import Scanner
from tapeflow.operators.decode.step import Decoder
from tapeflow.operators.decode.step import step as decode_page
from tapeflow.operators.desk.funding import funding_amount, pay_funding
from tapeflow.operators.desk.funding_terms import (
    LEEWAY_NS,
    FundingDue,
    FundingTerms,
    pass_terms,
    rows_of_funding,
)
from tapeflow.schemas.accounts import Funding
from tapeflow.schemas.decimals import DECIMAL_CONTEXT
from tapeflow.schemas.desk_market import DeskMarkPrices
from tapeflow.schemas.market import DECODED
from tapeflow.schemas.sides import BUY, SELL
from tapeflow.schemas.time import NO_TIME
from tapeflow.schemas.venues.binance_usdm import DIALECT
from tests.columns import ints
from tests.frames import S, to_pages
from tests.test_fees import INVERSE, QUANTO, TABLE, USDM, fill, held, new_account, rates, rules

D = Decimal
HOUR = 3600 * S
FREE = rules(fee_bps=0)


def pay(account, instrument, rate, mark, *, digits=8):
    """Pay what is due on an instrument; return the facts."""
    number = TABLE.number[instrument]
    due = FundingDue((8 * HOUR + S, "p", 1), number, 8 * HOUR, 16 * HOUR, rate, mark)
    seq = count(1)
    with localcontext(DECIMAL_CONTEXT):
        return list(
            pay_funding(account, "main", TABLE.rows[number], due, digits, lambda: next(seq))
        )


# --- what is paid ---------------------------------------------------------------------------------


def test_a_long_of_15_000_contracts_pays_and_earns_what_bitmex_says():
    """BitMEX, "Perpetual Contracts Guide Examples": long 15,000 XBTUSD at 750, closed at 800.

    It is worth 20 XBT and pays 0.25% of it, 0.05 XBT; the profit of 1.25 XBT is 1.2 XBT after it.
    """
    account = new_account()
    fill(account, INVERSE, BUY, 15_000, 750, money=FREE)
    (fact,) = pay(account, INVERSE, 0.0025, 750.0)
    assert (fact.amount, fact.currency, fact.quantity) == (D("-0.05"), "BTC", 15_000)
    closed = fill(account, INVERSE, SELL, 15_000, 800, money=FREE).after
    assert (closed.realized, closed.funding) == (D("1.25"), D("-0.05"))
    assert held(account.cash) == {"BTC": D("1.2")}


@pytest.mark.parametrize(
    ("side", "rate", "amount"),
    [
        (BUY, 0.0001, -60),
        (SELL, 0.0001, 60),
        (BUY, -0.0001, 60),
        (SELL, -0.0001, -60),
        (BUY, 0.0, 0),
    ],
)
def test_longs_pay_where_the_rate_is_above_zero_and_shorts_receive_it(side, rate, amount):
    """Binance, "Introduction to Binance Futures Funding Rates": nominal value * funding rate.

    The nominal value of 10 BTC at a mark price of 60,000 USDT is 600,000 USDT.
    """
    account = new_account()
    fill(account, USDM, side, 10, 59_000, money=FREE)
    (fact,) = pay(account, USDM, rate, 60_000.0)
    assert (fact.amount, fact.currency) == (amount, "USDT")
    assert fact.rate == D(str(rate)) and fact.mark == 60_000
    assert account.cash["USDT"] == amount


def test_a_quanto_contract_pays_a_part_of_its_value_in_its_currency():
    """BitMEX, "ETHUSD Series Guide": 1,000 contracts at $500 are worth 50 XBT."""
    account = new_account()
    fill(account, QUANTO, BUY, 1000, 500, money=FREE)
    (fact,) = pay(account, QUANTO, 0.0001, 500.0)
    assert (fact.amount, fact.currency) == (D("-0.005"), "BTC")


def test_each_strategy_pays_for_what_it_holds_and_one_that_holds_nothing_pays_nothing():
    account = new_account()
    for strategy, side, size in (
        ("trend", BUY, 3),
        ("back", SELL, 1),
        ("flat", BUY, 1),
        ("flat", SELL, 1),
    ):
        fill(account, USDM, side, size, 100, strategy=strategy, money=FREE)
    facts = pay(account, USDM, 0.01, 100.0)
    assert [(fact.seq, fact.strategy, fact.amount) for fact in facts] == [
        (1, "back", 1),
        (2, "trend", -3),
    ]
    number, net = TABLE.number[USDM], account.net[USDM]
    with localcontext(DECIMAL_CONTEXT):
        whole = funding_amount(TABLE.rows[number], net, D(100), D("0.01"), 8)
    assert sum(fact.amount for fact in facts) == whole
    assert account.books.get("trend", USDM).quantity == 3
    assert account.net[USDM] == 2


def test_funding_is_part_of_equity_and_of_no_realized_profit():
    account = new_account()
    fill(account, USDM, BUY, 10, 60_000, money=FREE)
    pay(account, USDM, 0.0001, 60_000.0)
    worth = account.worth("trend", rates(), lambda number, long: (D(60_001), 7), 8)
    assert (worth.realized, worth.unrealized, worth.funding, worth.equity) == (0, 10, -60, -50)


@pytest.mark.parametrize(("rate", "mark"), [(math.nan, 100.0), (0.01, math.nan)])
def test_what_is_not_known_is_said_and_not_booked(rate, mark):
    account = new_account()
    fill(account, USDM, BUY, 10, 100, money=FREE)
    (fact,) = pay(account, USDM, rate, mark)
    assert isinstance(fact, Funding) and fact.amount is None
    assert (fact.rate is None, fact.mark is None) == (math.isnan(rate), math.isnan(mark))
    assert held(account.cash) == {}


# --- when it is due -------------------------------------------------------------------------------


def rows_of(*drawn):
    """Return rows of mark prices: (log time, instrument, mark, rate, next time)."""
    log_ns, instrument, mark, rate, next_ns = zip(*drawn, strict=True) if drawn else ((),) * 5
    return DeskMarkPrices(
        ints(range(len(drawn))), ints(log_ns), ints(instrument), ints(log_ns), ints(log_ns), np.array(mark, np.float64),
        np.array(rate, np.float64), ints(next_ns),
    )  # fmt: skip


def dues_of(rows, terms=None):
    """Return the payments that rows make due."""
    return list((terms or FundingTerms.empty(3)).take_in(rows, "p"))


def at(hours, mark=100.0, rate=0.01, next_hours=8, *, number=0, late_ns=0):
    next_ns = NO_TIME if next_hours is None else next_hours * HOUR
    return (round(hours * HOUR) + late_ns, number, mark, rate, next_ns)


def test_the_row_that_names_a_later_time_makes_due_what_was_said_before_it():
    rows = rows_of(
        at(7, 100.0, 0.01), at(7.9, 101.0, 0.02), at(8, 105.0, 0.07, 16), at(8.1, 106.0, 0.08, 16),
        at(16.1, 107.0, 0.09, 24),
    )  # fmt: skip
    assert dues_of(rows) == [
        FundingDue((8 * HOUR, "p", 2), 0, 8 * HOUR, 16 * HOUR, 0.02, 101.0),
        FundingDue((round(16.1 * HOUR), "p", 4), 0, 16 * HOUR, 24 * HOUR, 0.08, 106.0),
    ]


def test_the_first_row_makes_nothing_due():
    assert dues_of(rows_of(at(9, next_hours=16), at(10, next_hours=16))) == []


def test_a_time_that_is_put_off_or_brought_forward_is_no_payment():
    assert dues_of(rows_of(at(3), at(4, next_hours=12), at(5, next_hours=6))) == []
    (due,) = dues_of(rows_of(at(3), at(4, next_hours=6), at(6, next_hours=10)))
    assert due.due_ns == 6 * HOUR


def test_a_clock_of_the_log_that_is_a_little_behind_misses_no_payment():
    assert len(dues_of(rows_of(at(7), at(8, next_hours=16, late_ns=-LEEWAY_NS)))) == 1
    assert dues_of(rows_of(at(7), at(8, next_hours=16, late_ns=-LEEWAY_NS - 1))) == []


def test_contracts_that_expire_have_no_funding():
    none = at(7, rate=math.nan, next_hours=None)
    assert dues_of(rows_of(none, at(9, rate=math.nan, next_hours=None))) == []
    (due,) = dues_of(rows_of(at(7), none, at(9, next_hours=16)))
    assert (due.rate, due.due_ns) == (0.01, 8 * HOUR)


def test_after_a_hole_one_payment_is_due_and_its_next_time_tells_of_the_hole():
    (due,) = dues_of(rows_of(at(7), at(70, next_hours=72)))
    assert (due.due_ns, due.next_ns) == (8 * HOUR, 72 * HOUR)


@pytest.mark.parametrize("mark", [math.nan, 0.0, 1e13, 1e-13])
def test_a_mark_that_is_no_price_is_none(mark):
    (due,) = dues_of(rows_of(at(7, mark), at(8, 105.0, next_hours=16)))
    assert math.isnan(due.mark)


TERMS = st.lists(
    st.tuples(
        st.sampled_from([0, S, HOUR, 4 * HOUR, 9 * HOUR]),
        st.integers(0, 2),
        st.sampled_from([100.0, 101.5, math.nan, 0.0]),
        st.sampled_from([0.01, -0.02, 0.0, math.nan]),
        st.sampled_from([NO_TIME, *(hour * HOUR for hour in (4, 8, 12, 16, 24, 32))]),
    ),
    max_size=40,
)


def rows_drawn(drawn):
    log_ns = np.cumsum([gap for gap, *_ in drawn]).tolist()
    return rows_of(*((ns, *rest) for ns, (_, *rest) in zip(log_ns, drawn, strict=True)))


def expected_dues(rows):
    """The oracle: a dict of what was said last, row by row."""
    latest, found = {}, []
    for row in range(len(rows)):
        number, log_ns, next_ns = (
            int(column[row]) for column in (rows.instrument, rows.log_ns, rows.funding_ns)
        )
        if next_ns == NO_TIME:
            continue
        due_ns, rate, mark = latest.get(number, (next_ns, None, None))
        if next_ns > due_ns and log_ns >= due_ns - LEEWAY_NS:
            found.append(FundingDue((log_ns, "p", row), number, due_ns, next_ns, rate, mark))
        price = float(rows.mark[row])
        latest[number] = next_ns, float(rows.funding_rate[row]), price if price > 0 else math.nan
    return found


@settings(max_examples=300, deadline=None)
@given(TERMS, st.integers(1, 7))
def test_payments_do_not_depend_on_pages_nor_on_the_rows_that_are_not_sent(drawn, page):
    rows = rows_drawn(drawn)
    terms, found = FundingTerms.empty(3), []
    for begin in range(0, len(rows), page):
        part = rows.take(np.arange(begin, min(begin + page, len(rows))))
        wanted = np.zeros(len(part), np.bool_)
        rows_of_funding(part.instrument, part.funding_ns, np.full(3, -1), wanted)
        found += dues_of(part.take(np.flatnonzero(wanted)), terms)
    assert str(found) == str(expected_dues(rows))  # NaN is equal to itself there


@settings(max_examples=100, deadline=None)
@given(TERMS)
def test_the_kernels_give_the_same_in_plain_python(drawn):
    rows, results = rows_drawn(drawn), []
    compiled: tuple[Any, Any] = pass_terms, rows_of_funding
    for passed, marked in (compiled, [each.__wrapped__ for each in compiled]):
        terms, wanted = FundingTerms.empty(3), np.zeros(len(rows), np.bool_)
        marked(rows.instrument, rows.funding_ns, np.full(3, -1), wanted)
        row = passed(
            rows.instrument, rows.log_ns, rows.mark, rows.funding_rate, rows.funding_ns, 0,
            *terms.columns(),
        )  # fmt: skip
        results.append((row, wanted.tobytes(), [column.tobytes() for column in terms.columns()]))
    assert results[0] == results[1]


# --- what the venue sends -------------------------------------------------------------------------

FRAME = '{"e":"markPriceUpdate","E":1735732800000,"s":"BTCUSDT","p":"1.5","i":"1.5","P":"1.5","r":%s,"T":%s}'


@pytest.mark.parametrize(
    ("rate", "next_time", "expected"),
    [
        ('"0.00038167"', "1735761600000", (0.00038167, 1_735_761_600 * S)),
        ('"-0.00038167"', "1735761600000000", (-0.00038167, 1_735_761_600 * S)),
        ('"0.00000000"', "1735761600000", (0.0, 1_735_761_600 * S)),
        ('""', "0", (math.nan, NO_TIME)),
        ("null", "1735761600", (math.nan, 1_735_761_600 * S)),
    ],
)
@pytest.mark.parametrize("form", ["%s", "[%s]"])
def test_a_rate_may_be_negative_zero_or_none(rate, next_time, expected, form):
    frames = [(form % (FRAME % (rate, next_time))).encode()] * 3  # the third along a template
    decoder = Decoder.from_scanner(Scanner(DIALECT, {"BTCUSDT": 0}))
    (page,) = to_pages("binance-usdm-0", [(S, frame) for frame in frames], [9], end_of_log=False)
    batch = decode_page(page, decoder=decoder)
    marks = batch.market.mark_prices
    assert str(
        list(zip(marks.funding_rate.tolist(), marks.funding_ns.tolist(), strict=True))
    ) == str([expected] * 3)


@pytest.mark.parametrize(
    ("rate", "next_time"),
    [('"--1"', "1735761600000"), ('"1"', "17357616"), ('"-"', "1735761600000")],
)
def test_a_rate_or_time_that_is_none_is_malformed(rate, next_time):
    decoder = Decoder.from_scanner(Scanner(DIALECT, {"BTCUSDT": 0}))
    log = [(S, (FRAME % (rate, next_time)).encode())]
    (page,) = to_pages("binance-usdm-0", log, [9], end_of_log=False)
    batch = decode_page(page, decoder=decoder)
    assert len(batch.market.mark_prices) == 0 and batch.status[0] != DECODED
