"""Evaluate what is supervised at a place of the log; act on what is exceeded; make bands anew.

all before this place is the mark ─▶ scopes, protected positions ─▶ breaches ─▶ acts ─▶ bands

It is exact: a limit that is not exceeded now is exceeded at a row beyond a band, or at a change
that makes supervision due, and nowhere else.
"""

from collections.abc import Iterator

from tapeflow.operators.desk.hear import Fact
from tapeflow.operators.desk.risk.overrides import limits_now
from tapeflow.operators.desk.risk.supervision.acts import act
from tapeflow.operators.desk.risk.supervision.bands import (
    Sides,
    bounds_of,
    intersect,
    scope_boxes,
)
from tapeflow.operators.desk.risk.supervision.breaches import breaches_of
from tapeflow.operators.desk.risk.supervision.guards import (
    guard_box,
    guard_breaches,
    next_time_ns,
)
from tapeflow.operators.desk.settings import DeskSettings
from tapeflow.operators.desk.state import State
from tapeflow.schemas.limits import ScopeLimits


def evaluate(state: State, settings: DeskSettings) -> Iterator[Fact]:
    """Act on all that is exceeded at the place that is processed; yield the facts."""
    log_ns, partition, offset = state.now
    state.merge.release_before((log_ns, partition, offset + 1))
    supervision = state.risk.supervision
    supervision.evaluations += 1
    for limits in find_supervised(state, settings):
        for breach in [*breaches_of(state, settings, limits)]:
            yield from act(state, settings, breach)
    for breach in [*guard_breaches(state, settings)]:
        yield from act(state, settings, breach)
    make_bands(state, settings)
    supervision.next_ns = next_time_ns(state, settings)
    supervision.is_due = False


def find_supervised(state: State, settings: DeskSettings) -> Iterator[ScopeLimits]:
    """Yield the limits that are supervised, as they are now, the widest scopes first."""
    overrides = state.risk.overrides
    if settings.risk.counting == "net":
        return
    for scope in {**settings.risk.limits, **overrides.limits}:
        limits = limits_now(overrides, scope, settings.risk.limits.get(scope))
        if limits is not None and limits.is_supervised:
            yield limits


def make_bands(state: State, settings: DeskSettings) -> None:
    """Make the bands of all instruments anew; those that have changed are watched anew."""
    boxes: Sides = {}
    for limits in find_supervised(state, settings):
        if limits.asks_profit or limits.holds_exposure:
            boxes = intersect(boxes, scope_boxes(state, settings, limits).read)
    supervision = state.risk.supervision
    for guard in supervision.memory.guards.values():
        key = settings.instruments.number[guard.owner[2]], guard.is_long
        boxes = intersect(boxes, {key: guard_box(state, settings, guard)})
    before, supervision.bands = supervision.bands, bounds_of(boxes)
    for instrument in before.keys() | supervision.bands.keys():
        if before.get(instrument) != supervision.bands.get(instrument):
            state.venue.changed.add(instrument)
