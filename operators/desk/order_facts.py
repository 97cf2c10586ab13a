"""Facts of orders.

    Working, Outcome ─▶ OrderEvent, a step in the life of the order
    Working, action  ─▶ Command, what the desk asks of a venue

The desk numbers both.
"""

from decimal import Decimal

from tapeflow.operators.desk.actions import Amend, Cancel, Place, Release
from tapeflow.operators.desk.working import Outcome, Working
from tapeflow.schemas.order_events import Command, OrderEvent
from tapeflow.schemas.orders import terms_fields
from tapeflow.schemas.time import Ns

NO_RECORD = (0, "", -1)
ACTIONS = {Place: "PLACE", Release: "PLACE", Cancel: "CANCEL", Amend: "AMEND"}


def order_event(seq: int, working: Working, outcome: Outcome) -> OrderEvent:
    """Return the fact of a report; `working` is the order after it."""
    order, report = working.order, outcome.report
    _, partition, offset = report.record or NO_RECORD
    return OrderEvent(
        seq=seq,
        account=order.account,
        order_id=order.id,
        strategy=order.strategy,
        instrument=order.instrument,
        time_ns=report.position[0],
        event_ns=report.event_ns,
        kind=report.kind,
        phase=working.phase,
        end=working.end,
        pending=working.pending,
        filled=working.filled,
        leaves=working.leaves,
        price=report.price,
        size=report.size,
        reason=report.reason,
        alert=outcome.alert,
        source=report.source,
        partition=partition,
        offset=offset,
    )


def command(
    seq: int, working: Working, action: Place | Release | Cancel | Amend, time_ns: Ns, age_ns: Ns
) -> Command:
    """Return the command of an action that was decided at `time_ns`.

    It is not to be sent when it is older than `age_ns`. The request (AMEND_ASKED) has been applied:
    an amendment has a generation of its own, so that a venue that replaces orders has a new id.
    """
    order, terms, size = working.order, terms_fields(working.terms), working.size
    if isinstance(action, Amend):
        size = working.target if action.size is None else action.size
        terms |= without_none(limit=action.limit, trigger=action.trigger)
    fields = {name: terms[name] for name in Command.__struct_fields__ if name in terms}
    return Command(
        seq=seq,
        account=order.account,
        action=ACTIONS[type(action)],
        order_id=order.id,
        wire_id=wire_id(order.id, working.generation),
        instrument=order.instrument,
        side=order.side,
        time_ns=time_ns,
        deadline_ns=time_ns + age_ns,
        size=size,
        **fields,
    )


def wire_id(order_id: str, generation: int) -> str:
    """Return the id of an order at its venue: 32 hexadecimal digits, a UUID where one is needed.

    >>> wire_id("5f0c" * 6, 1)
    '5f0c5f0c5f0c5f0c5f0c5f0c00000001'
    """
    return f"{order_id}{generation:08x}"


def without_none(**fields: Decimal | None) -> dict[str, object]:
    """Return the fields that are not None."""
    return {name: value for name, value in fields.items() if value is not None}
