"""Run the checks of a cancel: CANCEL_RATE and MIN_REST, and no other."""

from decimal import Decimal

from tapeflow.operators.desk.risk.churn import CANCEL_CHECKS
from tapeflow.operators.desk.risk.proposals import limits_of
from tapeflow.operators.desk.settings import DeskSettings
from tapeflow.operators.desk.state import State
from tapeflow.schemas.orders import Order
from tapeflow.schemas.risk import Finding, Proposal, ScopeView
from tapeflow.schemas.time import Ns

ZERO = Decimal(0)


def check_cancel(state: State, settings: DeskSettings, order: Order, time_ns: Ns) -> Finding | None:
    """Return what refuses to cancel an order; None where nothing does, and the cancel counts."""
    limits = [each for each in limits_of(state, settings, order) if each.asks_cancels]
    if not limits or settings.risk.counting == "net":
        return None
    proposal = Proposal(
        instrument=settings.instruments.get(order.instrument),
        account=order.account,
        strategy=order.strategy,
        side=order.side,
        size=order.size,
        terms=order.terms,
        time_ns=time_ns,
        position=ZERO,
        buys=ZERO,
        sells=ZERO,
        scopes=tuple(
            ScopeView(each, ZERO, ZERO, ZERO, cancels=state.risk.count_cancels(each, time_ns))
            for each in limits
        ),
        placed_ns=order.time_ns,
    )
    for check in CANCEL_CHECKS:
        found = check.check(proposal)
        if found is not None and not found.passed:
            return found
    state.risk.add_cancel(limits, time_ns)
    return None
