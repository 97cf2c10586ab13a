"""The paper venue: what the desk calls.

place, cancel, amend       decided at a place; no answer before a row or a timer brings it
meet                       a row that matters by `bounds`
next_due, pass_time        ends, patience, amendments, refusals
"""

from collections.abc import Callable
from decimal import Decimal, localcontext

from tapeflow.operators.desk.venue import timers
from tapeflow.operators.desk.venue.ahead import update_by_quote
from tapeflow.operators.desk.venue.bounds import Bounds
from tapeflow.operators.desk.venue.ends import (
    REFUSE_AMENDMENT,
    REFUSE_CANCEL,
    refuse_later,
    schedule,
)
from tapeflow.operators.desk.venue.entry import enter_orders
from tapeflow.operators.desk.venue.making import fill_resting
from tapeflow.operators.desk.venue.orders import Amendment, Cancellation, PaperOrder
from tapeflow.operators.desk.venue.rows import MarkRow, Row, Standing
from tapeflow.operators.desk.venue.rules import PaperRules
from tapeflow.operators.desk.venue.snapshot import VenueSnapshot, restore_into, snapshot
from tapeflow.operators.desk.venue.state import VenueState
from tapeflow.operators.desk.venue.taking import take_waiting
from tapeflow.operators.desk.venue.timers import bring_events
from tapeflow.operators.desk.venue.triggers import trigger_orders
from tapeflow.operators.desk.venue.visit import Visit
from tapeflow.schemas.decimals import DECIMAL_CONTEXT
from tapeflow.schemas.instruments import InstrumentTable
from tapeflow.schemas.orders import Order, Report, Terms
from tapeflow.schemas.time import LogPosition

DAY_NS = 86_400_000_000_000


class Venue(VenueState):
    """The paper venue; its state is changed in place.

    Whoever holds it clears `changed`, the instruments whose bounds may have changed.
    """

    __slots__ = ()

    def place(self, order: Order, terms: Terms, size: Decimal, position: LogPosition) -> None:
        """Send an order, decided at `position`; it gets the next running number.

        Raises ValueError for an order that was placed and is not over.
        """
        if order.id in self.orders:
            raise ValueError(f"the order {order.id} is at the venue already")
        self.number += 1
        decided_ns = position[0]
        placed = PaperOrder(
            id=order.id,
            number=self.number,
            account=order.account,
            strategy=order.strategy,
            instrument=self.instruments.number[order.instrument],
            side=order.side,
            terms=terms,
            size=size,
            active_ns=decided_ns + self.rules.latency_ns(order.id, "entry"),
            placed_at=position,
            tif_ns=end_by_tif(terms, decided_ns),
        )
        self.add(placed)
        schedule(self, placed)

    def cancel(self, order_id: str, position: LogPosition, reason: str = "") -> None:
        """Send a cancel, decided at `position`; `reason` becomes that of the CANCELED report."""
        at_ns = position[0] + self.rules.latency_ns(order_id, "cancel")
        order = self.orders.get(order_id)
        if order is None:
            refuse_later(self, order_id, at_ns, REFUSE_CANCEL)
            return
        order.cancels.append(Cancellation(max(order.active_ns, at_ns), reason))
        schedule(self, order)

    def amend(
        self,
        order_id: str,
        position: LogPosition,
        *,
        size: Decimal | None = None,
        limit: Decimal | None = None,
        trigger: Decimal | None = None,
    ) -> None:
        """Send an amendment, decided at `position`; None leaves a field as it is.

        `size` is the whole of the order, with what is filled.
        """
        at_ns = position[0] + self.rules.latency_ns(order_id, "entry")
        order = self.orders.get(order_id)
        if order is None:
            refuse_later(self, order_id, at_ns, REFUSE_AMENDMENT)
            return
        at_ns = max(order.active_ns, at_ns)
        order.amended += 1
        order.amendments.append(Amendment(at_ns, size, limit, trigger, order.amended))
        schedule(self, order)

    def meet(self, row: Row, standing: Standing) -> list[Report]:
        """Show a row to the orders of its instrument; return the reports that it brings.

        `standing` is what stood before the row, its own record's earlier rows included.
        """
        book = self.books.get(row.instrument)
        if book is None:
            return []
        visit = Visit(self.rules, row.instrument, book, row, row.position, row.venue_ns, standing)
        with localcontext(DECIMAL_CONTEXT):
            if not isinstance(row, MarkRow):
                self.act(visit)
            trigger_orders(self, visit)
        return visit.reports

    def act(self, visit: Visit) -> None:
        """Let a trade or a quote act, but for triggers."""
        bring_events(self, visit)
        enter_orders(self, visit)
        after = visit.standing_after()
        if after is not None:
            visit.standing = after
            if self.rules.model == "touch":
                update_by_quote(self, visit)
        take_waiting(self, visit)
        fill_resting(self, visit)

    def next_due(self) -> int | None:
        """Return the log time of the next timer, None for none; it may lie before the present."""
        return timers.next_due(self)

    def pass_time(self, now_ns: int, standing_of: Callable[[int], Standing]) -> list[Report]:
        """Do what is due at log time `now_ns`, before all records of that time.

        To be called at each `next_due`, or at the present log time where that is later: then what
        is due happens at once. `standing_of` returns what stands of an instrument (its number) now.
        """
        with localcontext(DECIMAL_CONTEXT):
            return timers.pass_time(self, now_ns, standing_of)

    def snapshot(self) -> VenueSnapshot:
        """Return the state as plain values, which share nothing with it."""
        return snapshot(self)

    @classmethod
    def restore(
        cls, saved: VenueSnapshot, rules: PaperRules, instruments: InstrumentTable
    ) -> "Venue":
        """Return the venue of a snapshot; all of its instruments are in `changed`.

        The table may have changed since the snapshot was made.

        Raises KeyError for an instrument that is not in the table any more, but has orders or
        positions.
        """
        venue = cls(rules, instruments)
        restore_into(venue, saved)
        return venue

    def bounds(self, instrument: int) -> Bounds:
        """Return the bounds beyond which rows of an instrument matter."""
        book = self.books.get(instrument)
        return Bounds() if book is None else book.bounds()


def end_by_tif(terms: Terms, decided_ns: int) -> int | None:
    """Return when an order ends by its time in force: GTD, or DAY at the next midnight UTC.

    It is not before its decision: an exit may be sent when its time is over.
    """
    if terms.tif == "GTD" and terms.expire_ns is not None:
        return max(terms.expire_ns, decided_ns)
    return (decided_ns // DAY_NS + 1) * DAY_NS if terms.tif == "DAY" else None
