"""An order at work: what has become of it so far, and what a report has changed.

    Order ─ begin ─▶ Working ◀─ apply_report ─ Report
                                     └─▶ Outcome

The rules are in life.py.
"""

from decimal import Decimal

from msgspec import Struct

from tapeflow.schemas.orders import Order, Report, Terms
from tapeflow.schemas.signals import Slicing
from tapeflow.schemas.time import Ns

ZERO = Decimal(0)
HELD, SENT, OPEN, DONE = PHASES = ("HELD", "SENT", "OPEN", "DONE")


class Working(Struct):
    """What has become of an order so far; changed by `apply_report` alone."""

    order: Order  # as approved
    terms: Terms  # as amended
    size: Decimal  # the whole size, as amended
    target: Decimal  # the size requested last; `size` where no amendment is on its way
    whole: Decimal  # the size apart from what its links took: as approved, or amended by others
    phase: str = HELD
    end: str = ""  # FILLED, CANCELED, EXPIRED, REJECTED, DENIED, LOST, or "" while it lives
    pending: str = ""  # CANCEL or AMEND where one is on its way
    filled: Decimal = ZERO
    notional: Decimal = ZERO  # sum of price x size
    trades: dict[str, tuple[Decimal, Decimal]] = {}  # size and price, by id of the execution
    reported_end: str = ""  # the strongest end in a report; an order that is full needs none
    reason: str = ""  # of that end
    cancel_reason: str = ""  # of the newest request to cancel
    triggered: bool = False
    amendments: int = 0  # on their way
    amended_ns: dict[str, int] = {}  # venue time of the newest amendment, by field
    generation: int = 0  # amendments that were requested: part of the id at the venue
    venue_id: str = ""
    done_ns: Ns = 0  # log time at which the desk heard of the end

    @property
    def leaves(self) -> Decimal:
        """What may still be filled."""
        return ZERO if self.phase == DONE else max(self.size - self.filled, ZERO)

    @property
    def is_full(self) -> bool:
        """Whether its whole size is filled."""
        return self.filled >= self.size


class Sliced(Struct):
    """How far an order is that is executed in slices: see slices.py."""

    order_id: str
    slicing: Slicing
    lot: Decimal
    end_ns: Ns | None  # log time at which it expires
    children: int = 0  # orders that were made of it
    living: list[str] = []  # those that are not over
    step: int = 0  # of twap: the next slice
    volume: Decimal = ZERO  # of participation: traded since the order
    end: str = ""  # CANCELED | EXPIRED: how it ends as soon as no child lives
    reason: str = ""


class Outcome(Struct, frozen=True):
    """What a report has changed."""

    report: Report
    before: str  # phase before it
    after: str  # phase after it
    leaves_before: Decimal
    is_new_fill: bool
    is_news: bool  # it changed, refused or contradicts something: it becomes a fact
    alert: str  # codes of what is wrong with it, with spaces between; or ""

    @property
    def has_ended(self) -> bool:
        """Whether the order ended by it."""
        return self.after == DONE != self.before


def begin(order: Order) -> Working:
    """Return an order at the begin of its life: HELD."""
    return Working(order, order.terms, order.size, order.size, order.size)
