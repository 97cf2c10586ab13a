"""Trading states. REPLACE: a stand-in for the states' own file; no check reads these."""

from collections.abc import Iterator

from msgspec import Struct

from tapeflow.operators.desk.hear import Fact
from tapeflow.operators.desk.settings import DeskSettings
from tapeflow.operators.desk.state import State
from tapeflow.schemas.risk import TradingState


class Cause(Struct, frozen=True):
    """Why a state changes: `cause` is rule or command, `rule` its code or id, `by` who."""

    cause: str
    rule: str
    by: str


def change_state(
    state: State, settings: DeskSettings, scope: str, to: TradingState, cause: Cause
) -> Iterator[Fact]:
    """Change the state of a scope. REPLACE: kept among the overrides."""
    state.overrides.states[scope] = to
    yield from ()


def own_state(state: State, scope: str) -> str:
    """Return the state of a scope itself."""
    return state.overrides.states.get(scope, "ACTIVE")
