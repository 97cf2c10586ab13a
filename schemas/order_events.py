"""What became of orders, step by step, and what the desk asks of venues.

    Report ─▶ OrderEvent ─▶ order_events          action ─▶ Command ─▶ commands

Both are facts: each has a table and a topic.
"""

from decimal import Decimal

from msgspec import Struct

from tapeflow.schemas.sides import Side
from tapeflow.schemas.time import Ns


class OrderEvent(Struct, frozen=True, gc=False):
    """One step in the life of an order."""

    seq: int  # running number over all order events of the account
    account: str
    order_id: str
    strategy: str
    instrument: str
    time_ns: Ns  # log time at which the desk heard of it
    event_ns: Ns  # at the venue
    kind: str  # SENT, ACCEPTED, TRIGGERED, FILL, CANCELED, EXPIRED, REJECTED, ..
    phase: str  # after it: HELD, SENT, OPEN or DONE
    end: str  # FILLED, CANCELED, EXPIRED, REJECTED, DENIED, LOST, or "" while it lives
    pending: str  # CANCEL or AMEND where one is on its way
    filled: Decimal  # so far
    leaves: Decimal  # what may still be filled
    price: Decimal | None  # of a fill
    size: Decimal | None  # of a fill or an amendment
    reason: str  # code of a refusal, an end, or a request to cancel
    alert: str  # what is wrong with it: ILLEGAL, OVERFILL, FILL_DIFFERS, .., or ""
    source: str  # desk | paper | venue
    partition: str  # of the record that brought it; "" for a timer of the desk
    offset: int  # -1 for a timer


class Command(Struct, frozen=True, gc=False):
    """What the desk asks of a venue: to place, cancel or amend an order."""

    seq: int  # running number over all commands of the account
    account: str
    action: str  # PLACE | CANCEL | AMEND
    order_id: str
    wire_id: str  # id at the venue: that of the order, and 8 hexadecimal digits of the generation
    instrument: str
    side: Side
    time_ns: Ns
    deadline_ns: Ns  # not to be sent later
    size: Decimal
    type: str
    limit: Decimal | None
    trigger: Decimal | None
    trigger_on: str
    trail: Decimal | None
    trail_unit: str
    activate: Decimal | None
    tif: str
    expire_ns: Ns | None
    post_only: bool
    reduce_only: bool
