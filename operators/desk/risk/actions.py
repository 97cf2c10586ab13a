"""Corrective actions. REPLACE: a stand-in for the states' own file, but for `cancel_scope`."""

from collections.abc import Iterator

from tapeflow.operators.desk.actions import Cancel
from tapeflow.operators.desk.hear import Fact, carry_out
from tapeflow.operators.desk.risk.scopes import holds
from tapeflow.operators.desk.settings import DeskSettings
from tapeflow.operators.desk.state import State
from tapeflow.operators.desk.working import DONE

RESETS = frozenset[str]()  # REPLACE: what `resume` may reset, of supervision


def cancel_scope(state: State, settings: DeskSettings, scope: str, cause: str) -> Iterator[Fact]:
    """Cancel all open orders of a scope; yield the facts."""
    for working in [*state.orders.rows()]:
        order = working.order
        where = (order.account, order.strategy, order.instrument)
        if working.phase != DONE and not working.pending and holds(settings, scope, *where):
            yield from carry_out(state, settings, Cancel(order.id, cause), state.now)


def flatten(state: State, settings: DeskSettings, scope: str, cause: str) -> Iterator[Fact]:
    """Close all of a scope. REPLACE: it closes nothing yet, so that its command is refused."""
    yield from ()
