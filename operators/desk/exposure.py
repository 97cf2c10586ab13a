"""Compute what an order counts in the exposure and the reach of its account.

approved 10       fills 4         the rest ends unfilled
exposure 10       10              4 given back: 6 of them were never bought
open     10       6               0
"""

from collections.abc import Iterable
from decimal import Decimal

from tapeflow.operators.desk.positions import ZERO
from tapeflow.operators.desk.reach import reach_of_order
from tapeflow.operators.desk.risk.open_sizes import OpenSizes
from tapeflow.operators.desk.risk.state import RiskSnapshot, RiskState
from tapeflow.operators.desk.state import State
from tapeflow.operators.desk.working import DONE, Working


def open_size(working: Working) -> Decimal:
    """Return what an order may still fill; a slice counts with the order that it is of."""
    if working.phase == DONE or working.order.role == "child":
        return ZERO
    return max(max(working.size, working.target) - working.filled, ZERO)


def exposed_size(working: Working) -> Decimal:
    """Return what an order may still add to a position: none where it only reduces."""
    is_entry = working.order.role == "entry" and not working.terms.reduce_only
    return open_size(working) if is_entry else ZERO


def change_exposure(
    state: State, working: Working, exposed: Decimal, opened: Decimal, filled: Decimal
) -> None:
    """Change exposure and reach after a report.

    `exposed` and `opened` are the sizes before it, `filled` is what it has filled.
    """
    order, account = working.order, state.accounts[working.order.account]
    left = exposed_size(working) - exposed
    state.risk.open_sizes.add(order, left)
    change = left + filled
    if change and order.role != "child":
        account.approved.change(order.instrument, order.side * change)
    released = opened - open_size(working)
    if released:
        multiplier = state.venue.instruments.get(order.instrument).multiplier
        account.reach -= reach_of_order(released, multiplier)


def restore_risk(saved: RiskSnapshot, orders: Iterable[Working]) -> RiskState:
    """Return the state of the checks: of its snapshot, and of the orders at work."""
    open_sizes = OpenSizes.from_orders((each.order, exposed_size(each)) for each in orders)
    return RiskState.restore(saved, open_sizes)
