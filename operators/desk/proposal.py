"""An order as the risk checks see it: the exposure of its account before and after it."""

from decimal import Decimal

from tapeflow.operators.desk.contracts import exact_value, notional
from tapeflow.operators.desk.equity import notional_rate
from tapeflow.operators.desk.positions import ZERO
from tapeflow.operators.desk.rates import ONE
from tapeflow.operators.desk.reach import reach_of_order
from tapeflow.operators.desk.risk import net as risk
from tapeflow.operators.desk.settings import DeskSettings
from tapeflow.operators.desk.state import AccountState, State
from tapeflow.schemas.orders import Order


def propose_order(
    state: State, settings: DeskSettings, account: AccountState, order: Order, ref_price: float
) -> risk.ProposedOrder:
    """Return an order with the exposure before and after it, at a reference price."""
    instrument, price = settings.instruments.get(order.instrument), risk.reference_price(ref_price)
    units = account.approved.units.get(order.instrument, ZERO)
    added = ZERO if order.reduce_only else order.side * order.size
    after = units + added
    if instrument.contract == "quanto":
        state.merge.release_before(order.position)  # the rate is that of now
    rate = notional_rate(state, settings, account.name, instrument)
    return risk.ProposedOrder(
        instrument=order.instrument,
        time_ns=order.time_ns,
        ref_price=price,
        units=units,
        units_after=after,
        unit_notional=notional(instrument, ONE, price) * (rate or ONE),
        notional_after=notional(instrument, abs(after), price) * (rate or ONE),
        unpriced="" if rate is not None else instrument.settlement,
        order_value=exact_value(instrument, order.size, price),
        money_step=Decimal(1).scaleb(-settings.money.digits),
        reach=account.reach + reach_of_order(order.size, instrument.multiplier),
    )
