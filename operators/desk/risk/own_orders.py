"""Find the best prices of the portfolio's own orders, and count those of a scope."""

from decimal import Decimal

from tapeflow.operators.desk.risk.scopes import holds
from tapeflow.operators.desk.settings import DeskSettings
from tapeflow.operators.desk.state import State
from tapeflow.operators.desk.working import HELD
from tapeflow.schemas.orders import Order


def best_own(state: State, order: Order, side: int) -> Decimal | None:
    """Return the best price of the portfolio's orders that rest on a side of an instrument."""
    best: Decimal | None = None
    for orders in state.orders.living.values():
        for working in orders.values():
            each, limit = working.order, working.terms.limit
            if limit is None or each.side != side or each.instrument != order.instrument:
                continue
            if working.phase == HELD or (working.terms.is_conditional and not working.triggered):
                continue
            best = limit if best is None else max(best * side, limit * side) * side
    return best


def count_open(state: State, settings: DeskSettings, scope: str) -> int:
    """Return how many entries of a scope are at work, with those of the intent that have passed."""
    return state.risk.count_deciding(scope) + sum(
        working.order.role == "entry" and holds(settings, scope, working.order)
        for orders in state.orders.living.values()
        for working in orders.values()
    )
