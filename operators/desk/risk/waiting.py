"""Orders that wait for four eyes: the intent of each, until it is approved or its time is over.

order of 2,000,000 ─▶ FOUR_EYES: DENIED, it waits ─▶ approve of bob ─▶ all checks again, then
"""

from collections.abc import Sequence

from msgspec.structs import replace

from tapeflow.operators.desk.risk.state import Waiting
from tapeflow.operators.desk.settings import DeskSettings
from tapeflow.operators.desk.state import State
from tapeflow.schemas.control import SignedCommand
from tapeflow.schemas.limits import ScopeLimits
from tapeflow.schemas.signals import Intent
from tapeflow.schemas.time import Ns, format_time

CODE = "FOUR_EYES"


def let_wait(
    state: State, intent: Intent, order_id: str, limits: Sequence[ScopeLimits], now_ns: Ns
) -> str:
    """Let an intent wait until its order is approved; return how long, as its decision says."""
    waiting = state.risk.waiting
    for name in [each for each in waiting if waiting[each].until_ns < now_ns]:
        del waiting[name]
    waits_ns = [each.approval_wait_ns for each in limits if each.approval_above is not None]
    until_ns = now_ns + min(waits_ns)
    waiting[order_id] = Waiting(intent, until_ns)
    return f"; `control approve order={order_id}` lets it go until {format_time(until_ns)}"


def find_waiting(state: State, order_id: str, now_ns: Ns) -> Waiting | None:
    """Return the intent that waits under the id of its order, None where none does any more."""
    found = state.risk.waiting.get(order_id)
    return None if found is None or found.until_ns < now_ns else found


def is_owner(settings: DeskSettings, command: SignedCommand, strategy: str) -> bool:
    """Return whether who has signed a command answers for a strategy."""
    return settings.control is not None and settings.control.owners.get(strategy) == command.who


def move_intent(intent: Intent, command: SignedCommand) -> Intent:
    """Return an intent as decided at the place of a command, at its old reference price."""
    time_ns, partition, offset = command.position
    signal = replace(intent.signal, time_ns=time_ns, partition=partition, offset=offset)
    return replace(intent, signal=signal)
