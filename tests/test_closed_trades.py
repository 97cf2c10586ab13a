"""What the closed trades of a strategy made, as a part of what each cost: the base of Kelly sizes."""

from decimal import Decimal

from msgspec.structs import replace

from tapeflow.operators.desk.booking import Booking
from tapeflow.operators.desk.fees import Fee
from tapeflow.operators.desk.positions import PositionState, apply_fill
from tapeflow.operators.desk.strategies.trades import ClosedTrades
from tests.plain_flow import INSTRUMENTS

D = Decimal
ROW = INSTRUMENTS.rows[0]


def book(trades, before, signed, price, fee=0):
    """Add a fill of a linear contract; return the position after it."""
    worth = abs(D(signed)) * D(price)
    after = apply_fill(before, D(signed), worth, D(fee), 8)
    amount = Fee(D(fee), "USDT", D(fee))
    trades.add(Booking(ROW, worth, amount, before, after, after.quantity, {}))
    return after


def test_a_trade_is_what_was_made_between_flat_and_flat_with_all_fees():
    trades, position = ClosedTrades(count=5), PositionState()
    for signed, price, fee in ((2, 100, 1), (-1, 110, 1), (-1, 90, 0)):
        position = book(trades, position, signed, price, fee)
    assert trades.returns == [D("-0.01")]
    assert trades.open == {}


def test_funding_between_two_fills_is_a_part_of_the_trade():
    trades = ClosedTrades(count=5)
    position = book(trades, PositionState(), 1, 100)
    position = replace(position, funding=position.funding - 3)
    position = book(trades, position, -1, 101)
    position = replace(position, funding=position.funding - 50)  # between trades: of none
    position = book(trades, position, -1, 100)
    book(trades, position, 1, 90)
    assert trades.returns == [D("-0.02"), D("0.1")]


def test_a_turn_closes_one_trade_and_begins_the_next():
    trades = ClosedTrades(count=5)
    position = book(trades, PositionState(), 1, 100)
    position = book(trades, position, -3, 110)
    book(trades, position, 2, 99)
    assert trades.returns == [D("0.1"), D("0.1")]


def test_only_the_last_ones_are_remembered():
    trades, position = ClosedTrades(count=2), PositionState()
    for price in (101, 102, 103):
        position = book(trades, book(trades, position, 1, 100), -1, price)
    assert trades.returns == [D("0.02"), D("0.03")]
