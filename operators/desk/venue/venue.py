"""The paper venue: what the desk calls.

venue = Venue(rules, instruments)
place, cancel, amend(venue, ..)          decided at a place
meet(venue, row, standing)               a row that matters by `bounds`
next_due, pass_time(venue, ..)           ends, patience, amendments, refusals
"""

from collections.abc import Callable
from decimal import Decimal

from tapeflow.operators.desk.venue.bounds import Bounds
from tapeflow.operators.desk.venue.rows import Row, Standing
from tapeflow.operators.desk.venue.rules import PaperRules
from tapeflow.schemas.instruments import InstrumentTable
from tapeflow.schemas.orders import Order, Report, Terms
from tapeflow.schemas.time import LogPosition


class Venue:
    """The paper venue: its state is changed in place."""

    changed: set[int]  # instruments whose bounds may have changed; the caller clears it

    def __init__(self, rules: PaperRules, instruments: InstrumentTable) -> None:
        raise NotImplementedError

    def place(self, order: Order, terms: Terms, size: Decimal, position: LogPosition) -> None:
        """Send an order, decided at `position`; the next running number becomes its own."""
        raise NotImplementedError

    def cancel(self, order_id: str, position: LogPosition, reason: str = "") -> None:
        """Send a cancel, decided at `position`; `reason` is that of the CANCELED report."""
        raise NotImplementedError

    def amend(
        self,
        order_id: str,
        position: LogPosition,
        *,
        size: Decimal | None = None,
        limit: Decimal | None = None,
        trigger: Decimal | None = None,
    ) -> None:
        """Send an amendment, decided at `position`; None leaves a field as it is."""
        raise NotImplementedError

    def meet(self, row: Row, standing: Standing) -> list[Report]:
        """Show the venue a row and what stood before it; return the reports it brings."""
        raise NotImplementedError

    def next_due(self) -> int | None:
        """Return the log time of the next timer; it may lie before the present."""
        raise NotImplementedError

    def pass_time(self, now_ns: int, standing_of: Callable[[int], Standing]) -> list[Report]:
        """Do what is due at log time `now_ns` before all records of that time."""
        raise NotImplementedError

    def bounds(self, instrument: int) -> Bounds:
        """Return the bounds beyond which rows of an instrument matter."""
        raise NotImplementedError
