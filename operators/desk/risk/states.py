"""Change the trading state of a scope, and do what the new state asks for.

REDUCING, HALTED   entries that may enlarge a position are canceled
KILLED             the same, and all of the scope is closed, until it is flat
ACTIVE             what is being closed goes on no further
"""

from collections.abc import Iterator

from tapeflow.operators.desk.actions import Cancel
from tapeflow.operators.desk.exposure import exposed_size
from tapeflow.operators.desk.hear import Fact, carry_out
from tapeflow.operators.desk.risk.closing import begin_closing, change_fact
from tapeflow.operators.desk.risk.scopes import holds
from tapeflow.operators.desk.settings import DeskSettings
from tapeflow.operators.desk.state import State
from tapeflow.operators.desk.working import DONE
from tapeflow.schemas.states import SEVERITY, Cause, TradingState


def change_state(
    state: State, settings: DeskSettings, scope: str, to: TradingState, cause: Cause
) -> Iterator[Fact]:
    """Change the state of a scope; yield the facts of it. The same state again changes nothing.

    A rule only makes a state more severe: milder it becomes by a command.
    """
    before = state.risk.trading.of(scope)
    is_milder = SEVERITY.index(to) < SEVERITY.index(before)
    if before == to or (cause.kind == "rule" and is_milder):
        return
    state.risk.trading.put(scope, to)
    state.risk.supervision.is_due = True
    fact = change_fact(state, scope, cause, before=before, event="CHANGED")
    yield fact
    if to in ("ACTIVE", "KILLED"):  # a kill has its own cause; else what is closed goes on
        ended = state.risk.trading.closings.pop(scope, None)
        if ended is not None and to == "ACTIVE":
            yield change_fact(state, scope, ended.cause, before=to, event="ENDED")
    if to == "KILLED":
        yield from begin_closing(state, settings, scope, fact.seq, cause)
    elif to != "ACTIVE":
        yield from cancel_scope(state, settings, scope, only_entries=True)


def flatten(state: State, settings: DeskSettings, scope: str, cause: Cause) -> Iterator[Fact]:
    """Close all of a scope, whose state stays as it is; yield the facts of it."""
    found = state.risk.trading.closings.get(scope)
    if found is not None and not found.to_limit:
        return
    before = state.risk.trading.of(scope)
    fact = change_fact(state, scope, cause, before=before, event="CLOSING")
    yield fact
    yield from begin_closing(state, settings, scope, fact.seq, cause)


def cancel_scope(
    state: State, settings: DeskSettings, scope: str, *, only_entries: bool = False
) -> Iterator[Fact]:
    """Cancel the orders of a scope, or those of them that may enlarge a position."""
    for working in [*state.orders.all_living()]:
        if working.order.role == "child" or working.pending == "CANCEL":
            continue  # slices go with their order
        if not holds(settings, scope, working.order):
            continue
        if working.phase != DONE and (not only_entries or exposed_size(working)):
            yield from carry_out(state, settings, Cancel(working.order.id, "RISK"), state.now)
