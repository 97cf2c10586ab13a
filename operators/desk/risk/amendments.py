"""Run the checks of an amended order that are asked of it as a whole.

new prices     TICK, COLLAR, TOUCH, SELF_TRADE, and SIZE_MAX, NOTIONAL_MAX, FOUR_EYES of all of it
a new size     LOT, and SIZE_MAX, NOTIONAL_MAX, FOUR_EYES of all of it: many small steps are no way

Exposure is asked of what an amendment adds, see change.py.
"""

from collections.abc import Iterator
from decimal import Decimal

from msgspec.structs import replace

from tapeflow.operators.desk.exposure import exposed_size
from tapeflow.operators.desk.risk import approval, crossing, price, size, venue_rules
from tapeflow.operators.desk.risk.check import Check
from tapeflow.operators.desk.risk.proposals import make_proposal
from tapeflow.operators.desk.settings import DeskSettings
from tapeflow.operators.desk.state import State
from tapeflow.operators.desk.working import Working
from tapeflow.schemas.risk import Finding, Proposal
from tapeflow.schemas.signals import AmendIntent

OF_PRICES: tuple[Check, ...] = (venue_rules.Tick(), *price.CHECKS, *crossing.CHECKS)
OF_SIZE: tuple[Check, ...] = (venue_rules.Lot(),)
OF_WHOLE: tuple[Check, ...] = (*size.CHECKS, *approval.CHECKS)


def check_amended(
    state: State, settings: DeskSettings, working: Working, intent: AmendIntent
) -> Finding | None:
    """Return what refuses the order as it would be; None where nothing does."""
    if settings.risk.counting == "net":
        return None
    terms, (time_ns, partition, offset) = working.terms, intent.signal.position
    order = replace(
        working.order,
        size=working.target if intent.size is None else intent.size,
        limit=terms.limit if intent.limit is None else intent.limit,
        trigger=terms.trigger if intent.trigger is None else intent.trigger,
        time_ns=time_ns,
        partition=partition,
        offset=offset,
    )
    proposal = make_proposal(state, settings, order)
    found = (check.check(proposal) for check in checks_of(working, intent, proposal))
    return next((each for each in found if each is not None and not each.passed), None)


def checks_of(working: Working, intent: AmendIntent, proposal: Proposal) -> Iterator[Check]:
    """Yield the checks that are asked of an amendment."""
    is_new_price = intent.limit is not None or intent.trigger is not None
    if is_new_price:
        yield from OF_PRICES
    if intent.size is not None:
        yield from OF_SIZE
    is_larger = intent.size is not None and intent.size > working.target
    if (is_new_price or is_larger) and not still_reduces(working, proposal):
        yield from OF_WHOLE


def still_reduces(working: Working, proposal: Proposal) -> bool:
    """Return whether what is left of the order only reduces; itself is no other open order.

    An exit only reduces what its entry has filled.
    """
    if working.order.role == "exit":
        return True
    own, rest = exposed_size(working), proposal.size - working.filled
    of_side = (
        {"buys": proposal.buys - own} if proposal.side > 0 else {"sells": proposal.sells - own}
    )
    return rest <= Decimal(0) or replace(proposal, size=rest, **of_side).only_reduces
