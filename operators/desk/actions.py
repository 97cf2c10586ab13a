"""Define the actions on orders: values, which the loop of the desk carries out.

    outcome of a report ──▶ links.follow ──▶ [Release(stop, 2), Amend(target, size 2)]
    timer, bar, fill ─────▶ slices ───────▶ [Place(child), Timer(next slice)]

The loop carries out one after the other, and what follows from one before the next. Place, Release,
Cancel and Amend are reports of the desk (action_reports.py) and, unless the order was HELD before
its Cancel or Amend, a command to the venue. An order in slices is known to no venue: its Cancel and
Amend are `slices.cancel` and `slices.amend`.
"""

from decimal import Decimal

from msgspec import Struct

from tapeflow.schemas.orders import Order, Report
from tapeflow.schemas.time import Ns


class Place(Struct, frozen=True):
    """Add a new order, and send it; the loop numbers it and sets when it reaches the venue."""

    order: Order
    size: Decimal  # of it that is sent


class Release(Struct, frozen=True):
    """Send an order that was HELD, with this size."""

    order_id: str
    size: Decimal


class Cancel(Struct, frozen=True):
    """Cancel an order; one that is HELD ends at once."""

    order_id: str
    reason: str  # a code: PARENT_ENDED, OCO, OUO, ..


class Amend(Struct, frozen=True):
    """Change an order; None leaves a field as it is."""

    order_id: str
    size: Decimal | None = None  # the whole size, with what is filled
    limit: Decimal | None = None
    trigger: Decimal | None = None
    reason: str = ""  # OCO, OUO: for the sake of a link; "": somebody wants it so


class Timer(Struct, frozen=True):
    """Call `slices.go_on` at a log time, before all records of that time."""

    due_ns: Ns
    order_id: str


class Slice(Struct, frozen=True):
    """Call `slices.go_on`: the order may send its next slice, or end."""

    order_id: str


class Apply(Struct, frozen=True):
    """Apply a report of the desk itself, of an order that is sliced.

    A FILL is one of a child's: it is no new money, only the order's own filled size.
    """

    report: Report


Action = Place | Release | Cancel | Amend | Timer | Slice | Apply
