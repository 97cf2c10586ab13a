"""The facts of a fill: the fill itself, and the position of its strategy after it."""

from collections.abc import Iterator

from tapeflow.operators.desk.booking import Booking, book_fill, position_fields
from tapeflow.operators.desk.positions import ZERO
from tapeflow.operators.desk.prices import mark_at, rates_at
from tapeflow.operators.desk.reach import reach_of_position
from tapeflow.operators.desk.risk.supervision.notes import note_fill
from tapeflow.operators.desk.settings import DeskSettings
from tapeflow.operators.desk.state import AccountState, State
from tapeflow.operators.desk.working import Working
from tapeflow.schemas.accounts import Position
from tapeflow.schemas.decimals import fit_table
from tapeflow.schemas.ids import derive_id
from tapeflow.schemas.orders import Fill, Report


def fill_facts(
    state: State, settings: DeskSettings, working: Working, report: Report
) -> Iterator[Fill | Position]:
    """Book a new execution of an order; yield the fill and the position after it."""
    order, account = working.order, state.accounts[working.order.account]
    rates = rates_at(state, settings, account.name, report.position)
    booking = book_fill(account.money, settings.money, order, report, rates)
    state.strategies.add_booking(order.strategy, booking)
    fill = make_fill(settings, account, working, report, booking)
    yield fill
    if settings.supervises:
        owner = (order.account, order.strategy, order.instrument)
        note_fill(state, settings, owner, booking.before, booking.after, report.position[0])
    begin_samples(state, settings, account, report.position[0])
    multiplier = booking.row.multiplier
    account.reach -= reach_of_position(booking.before, multiplier)
    account.reach += reach_of_position(booking.after, multiplier)
    number = settings.instruments.number[order.instrument]
    state.merge.marks.add_fill(number, float(fill.price), fill.log_ns)
    mark = None
    if settings.money.position_values:
        mark = mark_at(state, number, report.position, long=booking.after.quantity > 0)
    yield Position(
        seq=account.next_seq(),
        account=account.name,
        strategy=order.strategy,
        instrument=order.instrument,
        time_ns=report.position[0],
        fill_id=fill.id,
        **position_fields(settings.money, booking, mark),
    )


def make_fill(
    settings: DeskSettings,
    account: AccountState,
    working: Working,
    report: Report,
    booking: Booking,
) -> Fill:
    """Return the fact of a fill; the newest execution of its order."""
    order, fee = working.order, booking.fee
    log_ns, partition, offset = report.record or report.position
    assert report.price is not None
    assert report.size is not None
    return Fill(
        seq=account.next_seq(),
        id=derive_id("fill", order.id, len(working.trades) - 1),
        order_id=order.id,
        account=order.account,
        strategy=order.strategy,
        instrument=order.instrument,
        side=order.side,
        price=fit_table(report.price),  # as printed: never rounded to the tick
        size=report.size,
        fee=fee.amount,
        fee_currency=fee.currency,
        liquidity=report.liquidity,
        log_ns=log_ns,
        event_ns=report.event_ns,
        trade_id=report.trade_id,
        partition=partition,
        offset=offset,
        beyond=report.beyond or ZERO,
        fee_value=None if fee.currency == booking.row.settlement else fee.value,
        bid=report.bid if settings.stores_quotes else None,
        ask=report.ask if settings.stores_quotes else None,
    )


def begin_samples(
    state: State, settings: DeskSettings, account: AccountState, time_ns: int
) -> None:
    """Let the equity of an account be sampled from its first fill on."""
    if not account.sample_ns:
        account.sample_ns = (time_ns // settings.sample_ns + 1) * settings.sample_ns
        state.add_sample(account)
