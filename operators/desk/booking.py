"""Booking: what a fill, its fee and funding do to an account; see account.py.

Order + FILL report ──▶ book_fill ──▶ Booking ──▶ fields of Fill and Position
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from tapeflow.operators.desk.account import Account, Amounts
from tapeflow.operators.desk.contracts import average_entry, fill_value, notional, position_value
from tapeflow.operators.desk.fees import Fee, FeeTable, FillMoney, charge_fee, reported_fee
from tapeflow.operators.desk.positions import ZERO, PositionState, apply_fill
from tapeflow.operators.desk.rates import Rates
from tapeflow.operators.desk.worth import format_amounts
from tapeflow.schemas.decimals import SCALE, fit_table, round_to_digits
from tapeflow.schemas.instruments import Instrument
from tapeflow.schemas.orders import Order, Report


class MoneyRules(Struct, frozen=True):
    """How the money of an account is counted."""

    fees: FeeTable
    digits: int  # after the point
    position_values: bool = True  # positions say their value at a mark


class Booking(Struct, frozen=True):
    """The effect of a fill on an account."""

    row: Instrument
    worth: Decimal  # of the fill, in the settlement currency
    fee: Fee
    before: PositionState  # of its strategy in its instrument
    after: PositionState
    net: Decimal  # quantity of the account in the instrument, over all strategies
    unvalued: Amounts  # fees of the position in currencies of which no price was known


def book_fill(
    account: Account, rules: MoneyRules, order: Order, report: Report, rates: Rates
) -> Booking:
    """Book a FILL report of an order; return what it did. `rates` are those of its place.

    The fee is that of the report, or where it says none that of the venue's tier.
    """
    assert report.price is not None and report.size is not None, "no fill"
    row, digits = rates.table.get(order.instrument), rules.digits
    price = fit_table(report.price)
    worth = fill_value(row, report.size, price, digits)
    fill = FillMoney(row, order.side, report.size, price, worth)
    fee = fee_of(account, rules, fill, report, rates)
    before = account.books.get(order.strategy, row.id)
    after = apply_fill_and_fee(before, fill, fee, digits)
    account.put(order.strategy, row, after)
    account.fees[fee.currency] = account.fees.get(fee.currency, ZERO) + fee.amount
    account.pay(fee.currency, -fee.amount)
    if row.is_spot:
        account.pay(row.quote, -order.side * worth)
        account.pay(row.base, order.side * report.size * row.multiplier)
    else:
        account.pay(row.settlement, after.realized - before.realized)
    unvalued = account.unvalued.get((order.strategy, row.id), {})
    if fee.value is None:
        unvalued = {**unvalued, fee.currency: unvalued.get(fee.currency, ZERO) + fee.amount}
        account.unvalued[order.strategy, row.id] = unvalued
    currency = row.settlement if row.contract == "quanto" else row.quote
    if (rate := rates.rate(currency)) is not None:
        volume = notional(row, report.size, report.price) * rate
        account.volumes.add(row.venue, report.position[0], volume)
    return Booking(row, worth, fee, before, after, account.net[row.id], unvalued)


def fee_of(
    account: Account, rules: MoneyRules, fill: FillMoney, report: Report, rates: Rates
) -> Fee:
    """Return the fee of a fill, as reported or by the fees of its venue."""
    if report.fee is not None:
        currency = report.fee_currency or fill.row.settlement
        return reported_fee(fill, report.fee, currency, rates, rules.digits)
    fees = rules.fees.of_venue(fill.row.venue)
    volume = account.volumes.before(fill.row.venue, report.position[0])
    rate = fees.rate(report.liquidity, volume)
    return charge_fee(fill, rate, fees.currency, rates, rules.digits)


def apply_fill_and_fee(
    before: PositionState, fill: FillMoney, fee: Fee, digits: int
) -> PositionState:
    """Return the position after a fill and its fee."""
    row, value = fill.row, fee.value if fee.value is not None else ZERO
    signed = fill.side * fill.size
    paid = ZERO if fee.is_in_base(row) else value
    after = apply_fill(before, signed, fill.worth, paid, digits, inverse=row.inverse)
    if not fee.is_in_base(row) or not fee.amount:
        return after
    units = round_to_digits(fee.amount / row.multiplier, SCALE)
    return apply_fill(after, -units, abs(value), value, digits)


def book_funding(account: Account, strategy: str, row: Instrument, amount: Decimal) -> None:
    """Book funding that a position received; below 0 it paid."""
    position = account.books.get(strategy, row.id)
    account.books.put(strategy, row.id, replace(position, funding=position.funding + amount))
    account.pay(row.settlement, amount)


def holders(account: Account, instrument: str) -> Iterable[tuple[str, PositionState]]:
    """Yield strategy and position of all that hold an instrument, in the order of their names."""
    for strategy, sums in sorted(account.books.sums.items()):
        if instrument in sums.open:
            yield strategy, sums.open[instrument]


def position_fields(
    rules: MoneyRules, booking: Booking, mark: tuple[Decimal, int] | None
) -> dict[str, Any]:
    """Return the fields of a Position that a fill decides; `mark`: price and log time."""
    row, position = booking.row, booking.after
    fields: dict[str, Any] = {
        "quantity": position.quantity,
        "cost": position.cost,
        "entry_price": round_to_digits(average_entry(row, position), SCALE),
        "realized": position.realized,
        "fees": position.fees,
        "currency": "" if row.settlement == row.quote else row.settlement,
        "funding": position.funding,
        "unvalued": format_amounts(booking.unvalued),
    }
    if rules.position_values:
        fields["net"] = booking.net
    if rules.position_values and position.quantity and mark is not None:
        value = position_value(row, position, mark[0], rules.digits)
        fields |= {"unrealized": value - position.cost, "mark": mark[0], "mark_ns": mark[1]}
    return fields
