"""Book a fill: what it costs, the fee, and the position of its strategy after it."""

from collections.abc import Iterator

from tapeflow.operators.desk.contracts import average_entry, fill_value
from tapeflow.operators.desk.positions import ZERO, apply_fill
from tapeflow.operators.desk.reach import reach_of_position
from tapeflow.operators.desk.settings import DeskSettings
from tapeflow.operators.desk.state import AccountState, State
from tapeflow.operators.desk.working import Working
from tapeflow.schemas.accounts import Position
from tapeflow.schemas.decimals import SCALE, fit_table, round_to_digits
from tapeflow.schemas.ids import derive_id
from tapeflow.schemas.orders import Fill, Report


def book_fill(
    state: State, settings: DeskSettings, working: Working, report: Report
) -> Iterator[Fill | Position]:
    """Book a new execution of an order; yield the fill and the position after it."""
    order, account = working.order, state.accounts[working.order.account]
    instrument = settings.instruments.get(order.instrument)
    assert report.price is not None
    assert report.size is not None
    price = fit_table(report.price)  # as printed: never rounded to the tick
    worth = fill_value(instrument, report.size, price, settings.money_digits)
    time_ns = report.position[0]
    log_ns, partition, offset = report.record or report.position
    fill = Fill(
        seq=account.next_seq(),
        id=derive_id("fill", order.id, len(working.trades) - 1),
        order_id=order.id,
        account=order.account,
        strategy=order.strategy,
        instrument=order.instrument,
        side=order.side,
        price=price,
        size=report.size,
        fee=round_to_digits(worth * settings.fee_rate, settings.money_digits),
        fee_currency=instrument.settlement,
        liquidity=report.liquidity,
        log_ns=log_ns,
        event_ns=report.event_ns,
        trade_id=report.trade_id,
        partition=partition,
        offset=offset,
        beyond=report.beyond or ZERO,
    )
    yield fill
    before = account.books.get(fill.strategy, fill.instrument)
    signed, digits = fill.side * fill.size, settings.money_digits
    position = apply_fill(before, signed, worth, fill.fee, digits, inverse=instrument.inverse)
    account.books.put(fill.strategy, fill.instrument, position)
    begin_samples(state, settings, account, time_ns)
    multiplier = instrument.multiplier
    account.reach -= reach_of_position(before, multiplier)
    account.reach += reach_of_position(position, multiplier)
    yield Position(
        seq=account.next_seq(),
        account=account.name,
        strategy=fill.strategy,
        instrument=fill.instrument,
        time_ns=time_ns,
        quantity=position.quantity,
        cost=position.cost,
        entry_price=round_to_digits(average_entry(instrument, position), SCALE),
        realized=position.realized,
        fees=position.fees,
        fill_id=fill.id,
        currency="" if instrument.settlement == instrument.quote else instrument.settlement,
    )


def begin_samples(state: State, settings: DeskSettings, account: AccountState, log_ns: int) -> None:
    """Let the equity of an account be sampled from its first fill on."""
    if not account.sample_ns:
        account.sample_ns = (log_ns // settings.sample_ns + 1) * settings.sample_ns
        state.add_sample(account)
