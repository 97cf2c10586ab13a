"""The state of supervision: what it remembers, and the bands that follow from it."""

from dataclasses import dataclass, field

from tapeflow.operators.desk.risk.supervision.memory import SupervisionMemory
from tapeflow.operators.desk.venue.bounds import Bounds
from tapeflow.operators.desk.venue.rows import Row


@dataclass(slots=True)
class Supervision:
    """The state of supervision, changed in place.

    Bands and widths are made anew at the first evaluation after a restore.
    """

    memory: SupervisionMemory = field(default_factory=SupervisionMemory)
    bands: dict[int, Bounds] = field(default_factory=dict)  # by instrument
    widths: dict[str, float] = field(default_factory=dict)  # of the last boxes, by scope
    is_due: bool = False  # something has changed since the last evaluation
    next_ns: int | None = None  # log time at which a protected position is looked at
    evaluations: int = 0

    def meet(self, row: Row) -> None:
        """Note a row of the market: one beyond a band is evaluated."""
        band = self.bands.get(row.instrument)
        if band is not None and band.match(row):
            self.is_due = True
