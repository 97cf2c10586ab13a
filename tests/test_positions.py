"""Fills folded into positions, exactly: known vectors, flips, and cash that adds up."""

from decimal import Decimal, localcontext
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapeflow.operators.desk.positions import (
    PositionState,
    apply_fill,
    entry_price,
    market_value,
)
from tapeflow.schemas.decimals import DECIMAL_CONTEXT, round_to_digits

D = Decimal
DIGITS = 8


def unrealized_profit(position, mark, multiplier, digits):
    """Return what closing at `mark` would add to the realized profit, before fees."""
    return market_value(position, mark, multiplier, digits) - position.cost


def after(*fills, digits=DIGITS):
    """Return the position after fills of (signed size, price, fee)."""
    position = PositionState()
    with localcontext(DECIMAL_CONTEXT):
        for signed, price, fee in fills:
            size = D(str(signed))
            notional = round_to_digits(abs(size) * D(str(price)), digits)
            position = apply_fill(position, size, notional, D(str(fee)), digits)
    return position


# --- known vectors ------------------------------------------------------------------------------


def test_selling_half_of_a_long_realizes_half_of_its_profit():
    position = after((".1", 50000, 5), ("-.05", 60000, "2.5"))
    assert position.realized - position.fees == D("492.5")
    assert (position.quantity, position.cost) == (D(".05"), D(2500))


def test_buying_more_than_a_short_closes_it_and_opens_a_long():
    #   sell .1 @ 50000, buy .2 @ 40000: the short earns 1000, and a long .1 @ 40000 is open
    position = after(("-.1", 50000, 5), (".2", 40000, 10))
    assert (position.quantity, position.cost, position.realized, position.fees) == (
        D(".1"),
        D(4000),
        D(1000),
        D(15),
    )
    assert entry_price(position, D(1)) == 40000


def test_selling_more_than_a_long_opens_a_short_that_can_be_closed():
    first = [(100, 50, 0), (-150, 55, 0)]
    assert after(*first).realized == 500
    assert after(*first, (50, 52, 0)) == PositionState(D(0), D(0), D(650), D(0))


def test_buying_more_adds_cost_and_realizes_nothing():
    position = after((1, 100, 0), (3, 108, 0))
    assert (position.quantity, position.cost, position.realized) == (D(4), D(424), D(0))
    assert entry_price(position, D(1)) == 106


@pytest.mark.parametrize("side", [1, -1])
def test_closing_exactly_leaves_nothing_open(side):
    position = after((side * 3, 100, 1), (side * -3, 110, 2))
    assert (position.quantity, position.cost, position.realized, position.fees) == (
        0,
        0,
        side * 30,
        3,
    )
    assert entry_price(position, D(1)) == 0


def test_closing_in_rounded_parts_leaves_nothing_open():
    #   10 bought for 100.00000000, sold in three parts of a third each and the rest
    fills = [(10, 10, 0), *[("-3.33333333", "10.00000001", 0)] * 3, ("-0.00000001", 10, 0)]
    position = after(*fills)
    assert (position.quantity, position.cost) == (0, 0)
    assert position.realized == sum(
        round_to_digits(-D(str(s)) * D(str(p)), DIGITS) for s, p, _ in fills
    )


def test_unrealized_profit_is_what_closing_now_would_realize():
    long, short = after((2, 100, 0)), after((-2, 100, 0))
    assert unrealized_profit(long, D(110), D(1), DIGITS) == 20
    assert unrealized_profit(short, D(110), D(1), DIGITS) == -20
    assert unrealized_profit(PositionState(), D(110), D(1), DIGITS) == 0
    closed = after((2, 100, 0), (-2, 110, 0))
    assert closed.realized == unrealized_profit(long, D(110), D(1), DIGITS)


def test_money_is_price_times_size_times_the_multiplier():
    with localcontext(DECIMAL_CONTEXT):
        position = apply_fill(PositionState(), D(2), D(2) * 100 * 10, D(0), DIGITS)
    assert entry_price(position, D(10)) == 100
    assert unrealized_profit(position, D(101), D(10), DIGITS) == 20


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
    """realized + (value - cost) == cash + value at any mark, so realized - cost == cash."""
    position, cash, quantity, fees = PositionState(), Fraction(0), Fraction(0), Fraction(0)
    with localcontext(DECIMAL_CONTEXT):
        for signed, price, fee in fills:
            notional = round_to_digits(abs(signed) * price, digits)
            position = apply_fill(position, signed, notional, fee, digits)
            cash -= Fraction(notional) * (1 if signed > 0 else -1)
            quantity, fees = quantity + Fraction(signed), fees + Fraction(fee)
            assert Fraction(position.realized) - Fraction(position.cost) == cash
            assert (Fraction(position.quantity), Fraction(position.fees)) == (quantity, fees)
            assert position.cost * position.quantity >= 0
            assert position.cost == 0 or position.quantity != 0
            for mark in (D(1), price, D("99999.99999")):
                open_profit = unrealized_profit(position, mark, D(1), digits)
                value = Fraction(round_to_digits(position.quantity * mark, digits))
                assert Fraction(position.realized) + Fraction(open_profit) == cash + value


@settings(max_examples=200, deadline=None)
@given(FILLS)
def test_realized_profit_equals_the_average_cost_method(fills):
    """The oracle has an average price in exact fractions; each fill may differ by its rounding."""
    position, quantity, average, realized = PositionState(), Fraction(0), Fraction(0), Fraction(0)
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
            position = apply_fill(position, signed, abs(signed) * price, fee, DIGITS)
            assert abs(Fraction(position.realized) - realized) <= Fraction(len(fills), 10**DIGITS)


@settings(max_examples=100, deadline=None)
@given(FILLS)
def test_opposite_fills_give_the_opposite_position(fills):
    position = after(*fills)
    opposite = after(*((-signed, price, fee) for signed, price, fee in fills))
    assert (position.quantity, position.cost) == (-opposite.quantity, -opposite.cost)
    assert position.realized - position.cost == -(opposite.realized - opposite.cost)
