"""The state of supervision: what it remembers, and the bounds of each part that follow from it.

A part is a scope with limits, or a protected position. A row beyond the bounds of a part makes that
part due; a fill, a command, a change of an order or a log time makes all of them due.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from tapeflow.operators.desk.risk.supervision.memory import SupervisionMemory
from tapeflow.operators.desk.venue.bounds import Bounds
from tapeflow.operators.desk.venue.rows import Row

PartBounds = dict[int, Bounds]  # by instrument


@dataclass(slots=True)
class Supervision:
    """The state of supervision, changed in place.

    Bounds and widths are made anew at the first evaluation after a restore.
    """

    memory: SupervisionMemory = field(default_factory=SupervisionMemory)
    bounds: dict[str, PartBounds] = field(default_factory=dict)  # by part
    bands: PartBounds = field(default_factory=dict)  # of all parts together
    widths: dict[str, float] = field(default_factory=dict)  # of the last boxes, by scope
    is_due: bool = False  # all parts are
    due_parts: set[str] = field(default_factory=set)
    next_ns: int | None = None  # log time at which a protected position is looked at
    evaluations: int = 0

    @property
    def has_work(self) -> bool:
        """Whether anything is due."""
        return self.is_due or bool(self.due_parts)

    def meet(self, row: Row) -> None:
        """Note a row of the market: the parts that it is beyond the bounds of are due."""
        band = self.bands.get(row.instrument)
        if band is None or self.is_due or not band.match(row):
            return
        for part, bounds in self.bounds.items():
            own = bounds.get(row.instrument)
            if own is not None and own.match(row):
                self.due_parts.add(part)

    def set_parts(self, parts: dict[str, PartBounds], over: Iterable[str]) -> set[int]:
        """Set the bounds of some parts, remove those that are over; return what has changed."""
        touched: set[int] = set()
        for part in (*parts, *over):
            touched |= self.bounds.pop(part, {}).keys()
        for part, bounds in parts.items():
            self.bounds[part] = bounds
            touched |= bounds.keys()
        return {instrument for instrument in touched if self.update_band(instrument)}

    def update_band(self, instrument: int) -> bool:
        """Unite the bounds of all parts in an instrument; return whether they have changed."""
        united: Bounds | None = None
        for bounds in self.bounds.values():
            own = bounds.get(instrument)
            if own is not None:
                united = own if united is None else united.unite(own)
        before = self.bands.pop(instrument, None)
        if united is not None:
            self.bands[instrument] = united
        return united != before
