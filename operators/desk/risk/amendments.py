"""Run the checks of the prices of an amended order: a new price is asked like that of a new order.

Size and exposure are asked of what an amendment adds, see change.py.
"""

from msgspec.structs import replace

from tapeflow.operators.desk.risk import crossing, price, venue_rules
from tapeflow.operators.desk.risk.check import Check
from tapeflow.operators.desk.risk.proposals import make_proposal
from tapeflow.operators.desk.settings import DeskSettings
from tapeflow.operators.desk.state import State
from tapeflow.operators.desk.working import Working
from tapeflow.schemas.risk import Finding
from tapeflow.schemas.signals import AmendIntent

CHECKS: tuple[Check, ...] = (venue_rules.Tick(), *price.CHECKS, *crossing.CHECKS)


def check_prices(
    state: State, settings: DeskSettings, working: Working, intent: AmendIntent
) -> Finding | None:
    """Return what refuses the new prices of an order; None where nothing does, or none is new."""
    if settings.risk.counting == "net" or (intent.limit is None and intent.trigger is None):
        return None
    terms, (time_ns, partition, offset) = working.terms, intent.signal.position
    order = replace(
        working.order,
        limit=terms.limit if intent.limit is None else intent.limit,
        trigger=terms.trigger if intent.trigger is None else intent.trigger,
        time_ns=time_ns,
        partition=partition,
        offset=offset,
    )
    proposal = make_proposal(state, settings, order)
    found = (check.check(proposal) for check in CHECKS)
    return next((each for each in found if each is not None and not each.passed), None)
