"""The reports of the desk itself by which an action is carried out.

    Release(stop, 4) ─▶ AMEND_ASKED 4, SENT  ─▶ apply_report, then the command PLACE
    Cancel(target)   ─▶ CANCEL_ASKED         ─▶ apply_report, then the command CANCEL

An order that was HELD is done by that: there is no command to a venue for its Cancel or its Amend.
"""

from tapeflow.operators.desk.actions import Amend, Cancel, Place, Release
from tapeflow.operators.desk.working import DONE, HELD, Working
from tapeflow.schemas.orders import Report
from tapeflow.schemas.time import LogPosition

RELEASED = "RELEASED"  # reason of the size with which an order is sent


def reports_of(
    action: Place | Release | Cancel | Amend, working: Working, position: LogPosition
) -> list[Report]:
    """Return the reports of an action, decided at `position`; none where it came too late.

    It does for an order that is DONE, and for a Release of one that is not HELD any more.
    """
    name, time_ns = working.order.id, position[0]
    is_late = (
        working.phase != HELD if isinstance(action, Place | Release) else working.phase == DONE
    )
    if is_late:
        return []
    if isinstance(action, Cancel):
        return [
            Report(name, "CANCEL_ASKED", position, time_ns, reason=action.reason, source="desk")
        ]
    if isinstance(action, Amend):
        return [
            Report(
                name, "AMEND_ASKED", position, time_ns, size=action.size, limit=action.limit,
                trigger=action.trigger, reason=action.reason, source="desk",
            )
        ]  # fmt: skip
    sent = Report(name, "SENT", position, time_ns, source="desk")
    if action.size == working.size:
        return [sent]
    resized = Report(
        name, "AMEND_ASKED", position, time_ns, size=action.size, reason=RELEASED, source="desk"
    )
    return [resized, sent]
