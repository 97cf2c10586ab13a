"""Fills folded into positions, exactly: the known vectors, flips, and cash that adds up at every fill."""

from decimal import Decimal, localcontext
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapeflow.operators.desk.positions import (
    PositionState,
    apply_fill,
    entry_price,
    unrealized_profit,
)
from tapeflow.schemas.decimals import DECIMAL_CONTEXT, round_to_digits

D = Decimal
DIGITS = 8


def after(*fills, digits=DIGITS):
    """The book after fills of (signed size, price, fee)."""
    book = PositionState()
    with localcontext(DECIMAL_CONTEXT):
        for signed, price, fee in fills:
            size = D(str(signed))
            notional = round_to_digits(abs(size) * D(str(price)), digits)
            book = apply_fill(book, size, notional, D(str(fee)), digits)
    return book


# --- the vectors of the notes -------------------------------------------------------------------


def test_half_of_a_long_sold_higher():
    book = after((".1", 50000, 5), ("-.05", 60000, "2.5"))
    assert book.realized - book.fees == D("492.5")
    assert (book.quantity, book.cost) == (D(".05"), D(2500))


def test_a_short_bought_back_and_beyond():
    #   sell .1 @ 50000, buy .2 @ 40000: the cycle closed earns 1000, and a long .1 @ 40000 is open
    book = after(("-.1", 50000, 5), (".2", 40000, 10))
    assert (book.quantity, book.cost, book.realized, book.fees) == (
        D(".1"),
        D(4000),
        D(1000),
        D(15),
    )
    assert entry_price(book, D(1)) == 40000


def test_a_long_sold_beyond_and_bought_back():
    first = [(100, 50, 0), (-150, 55, 0)]
    assert after(*first).realized == 500
    assert after(*first, (50, 52, 0)) == PositionState(D(0), D(0), D(650), D(0))


def test_buying_more_adds_cost_and_realizes_nothing():
    book = after((1, 100, 0), (3, 108, 0))
    assert (book.quantity, book.cost, book.realized) == (D(4), D(424), D(0))
    assert entry_price(book, D(1)) == 106


@pytest.mark.parametrize("side", [1, -1])
def test_closing_exactly_leaves_nothing_open(side):
    book = after((side * 3, 100, 1), (side * -3, 110, 2))
    assert (book.quantity, book.cost, book.realized, book.fees) == (0, 0, side * 30, 3)
    assert entry_price(book, D(1)) == 0


def test_thirds_leave_no_crumbs():
    #   10 bought for 100.00000000, sold in three parts of a third each and the rest
    fills = [(10, 10, 0), *[("-3.33333333", "10.00000001", 0)] * 3, ("-0.00000001", 10, 0)]
    book = after(*fills)
    assert (book.quantity, book.cost) == (0, 0)
    assert book.realized == sum(
        round_to_digits(-D(str(s)) * D(str(p)), DIGITS) for s, p, _ in fills
    )


def test_unrealized_is_what_closing_now_would_add():
    long, short = after((2, 100, 0)), after((-2, 100, 0))
    assert unrealized_profit(long, D(110), D(1), DIGITS) == 20
    assert unrealized_profit(short, D(110), D(1), DIGITS) == -20
    assert unrealized_profit(PositionState(), D(110), D(1), DIGITS) == 0
    closed = after((2, 100, 0), (-2, 110, 0))
    assert closed.realized == unrealized_profit(long, D(110), D(1), DIGITS)


def test_a_multiplier_makes_a_unit_more_of_the_base():
    with localcontext(DECIMAL_CONTEXT):
        book = apply_fill(PositionState(), D(2), D(2) * 100 * 10, D(0), DIGITS)
    assert entry_price(book, D(10)) == 100
    assert unrealized_profit(book, D(101), D(10), DIGITS) == 20


def test_a_rebate_is_a_negative_fee():
    assert after((1, 100, "-0.02"), (1, 100, "0.05")).fees == D("0.03")


# --- identities, at every prefix ----------------------------------------------------------------

FILLS = st.lists(
    st.tuples(
        st.integers(-(10**9), 10**9).filter(bool).map(lambda lots: D(lots).scaleb(-4)),
        st.integers(1, 10**10).map(lambda ticks: D(ticks).scaleb(-5)),
        st.integers(-(10**6), 10**6).map(lambda units: D(units).scaleb(-8)),
    )
    | st.tuples(
        st.sampled_from([D(1), D(-1), D(2), D(-2), D("0.3"), D("-0.7")]),
        st.sampled_from([D(100), D("33.33333333"), D("0.00001")]),
        st.just(D(0)),
    ),
    max_size=30,
)


@settings(max_examples=200, deadline=None)
@given(FILLS, st.sampled_from([2, 8, 12]))
def test_cash_adds_up_exactly_at_every_fill(fills, digits):
    """realized + (value at a mark - cost) == cash + value at the mark: so realized - cost == cash."""
    book, cash, quantity, fees = PositionState(), Fraction(0), Fraction(0), Fraction(0)
    with localcontext(DECIMAL_CONTEXT):
        for signed, price, fee in fills:
            notional = round_to_digits(abs(signed) * price, digits)
            book = apply_fill(book, signed, notional, fee, digits)
            cash -= Fraction(notional) * (1 if signed > 0 else -1)
            quantity, fees = quantity + Fraction(signed), fees + Fraction(fee)
            assert Fraction(book.realized) - Fraction(book.cost) == cash
            assert (Fraction(book.quantity), Fraction(book.fees)) == (quantity, fees)
            assert book.cost * book.quantity >= 0
            assert book.cost == 0 or book.quantity != 0
            for mark in (D(1), price, D("99999.99999")):
                open_profit = unrealized_profit(book, mark, D(1), digits)
                value = Fraction(round_to_digits(book.quantity * mark, digits))
                assert Fraction(book.realized) + Fraction(open_profit) == cash + value


@settings(max_examples=200, deadline=None)
@given(FILLS)
def test_realized_is_that_of_average_cost_in_fractions(fills):
    """The textbook: average price in exact fractions; ours differs by the rounding of each fill at most."""
    book, quantity, average, realized = PositionState(), Fraction(0), Fraction(0), Fraction(0)
    with localcontext(DECIMAL_CONTEXT):
        for signed, price, fee in fills:
            size, at = Fraction(signed), Fraction(price)
            if quantity * size >= 0:
                average = (quantity * average + size * at) / (quantity + size)
            else:
                closing = min(abs(size), abs(quantity)) * (1 if quantity > 0 else -1)
                realized += closing * (at - average)
                if abs(size) > abs(quantity):
                    average = at
            quantity += size
            book = apply_fill(book, signed, abs(signed) * price, fee, DIGITS)
            assert abs(Fraction(book.realized) - realized) <= Fraction(len(fills), 10**DIGITS)


@settings(max_examples=100, deadline=None)
@given(FILLS)
def test_a_book_mirrors_when_every_side_does(fills):
    one = after(*fills)
    other = after(*((-signed, price, fee) for signed, price, fee in fills))
    assert (one.quantity, one.cost) == (-other.quantity, -other.cost)
    cash = [-one.cost + one.realized, -other.cost + other.realized]
    assert cash[0] == -cash[1]
