"""Evaluate what is supervised at a place of the log; act on what is exceeded; make bounds anew.

all before this place is the mark ─▶ parts that are due ─▶ breaches ─▶ acts ─▶ bounds

It is exact: a limit that is not exceeded now is exceeded at a row beyond the bounds of its part, or
at a change that makes all parts due, and nowhere else.
"""

from collections.abc import Iterator

from tapeflow.operators.desk.hear import Fact
from tapeflow.operators.desk.risk.overrides import limits_now
from tapeflow.operators.desk.risk.supervision.acts import act
from tapeflow.operators.desk.risk.supervision.bands import bounds_of, scope_boxes
from tapeflow.operators.desk.risk.supervision.breaches import breaches_of
from tapeflow.operators.desk.risk.supervision.guards import (
    guard_box,
    guard_breach,
    next_time_ns,
    part_of,
)
from tapeflow.operators.desk.risk.supervision.memory import Guard
from tapeflow.operators.desk.risk.supervision.supervision import PartBounds
from tapeflow.operators.desk.settings import DeskSettings
from tapeflow.operators.desk.state import State
from tapeflow.schemas.limits import ScopeLimits


def evaluate(state: State, settings: DeskSettings) -> Iterator[Fact]:
    """Act on all that is exceeded at the place that is processed; yield the facts."""
    state.merge.release_through(state.now)
    supervision = state.risk.supervision
    is_due, due = supervision.is_due, {*supervision.due_parts}
    supervision.is_due = False
    supervision.due_parts.clear()
    supervision.evaluations += 1
    scopes = [each for each in find_supervised(state, settings) if is_due or each.scope in due]
    guards = [
        guard for guard in supervision.memory.guards.values() if is_due or part_of(guard) in due
    ]
    for limits in scopes:
        for breach in [*breaches_of(state, settings, limits)]:
            yield from act(state, settings, breach)
    for guard in guards:
        found = guard_breach(state, settings, guard)
        if found is not None:
            yield from act(state, settings, found)
    make_bounds(state, settings, scopes, guards, over={*supervision.bounds} if is_due else set())
    if is_due:
        supervision.next_ns = next_time_ns(state, settings)


def find_supervised(state: State, settings: DeskSettings) -> Iterator[ScopeLimits]:
    """Yield the limits that are supervised, as they are now, the widest scopes first."""
    overrides = state.risk.overrides
    if settings.risk.counting == "net":
        return
    for scope in {**settings.risk.limits, **overrides.limits}:
        limits = limits_now(overrides, scope, settings.risk.limits.get(scope))
        if limits is not None and limits.is_supervised:
            yield limits


def make_bounds(
    state: State,
    settings: DeskSettings,
    scopes: list[ScopeLimits],
    guards: list[Guard],
    *,
    over: set[str],
) -> None:
    """Make the bounds of these parts anew; those in `over` that are not among them are over."""
    parts: dict[str, PartBounds] = {}
    for limits in scopes:
        if limits.asks_profit or limits.holds_exposure:
            parts[limits.scope] = bounds_of(scope_boxes(state, settings, limits).read)
    for guard in guards:
        key = settings.instruments.number[guard.owner[2]], guard.is_long
        parts[part_of(guard)] = bounds_of({key: guard_box(state, settings, guard)})
    state.venue.changed |= state.risk.supervision.set_parts(parts, over - parts.keys())
