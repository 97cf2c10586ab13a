"""The view of a strategy at a place of the log: its own orders and position, and the market.

Nothing later than that place is in it, and it is the same in every run. What is not known is None.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Protocol

from msgspec import Struct

from tapeflow.schemas.instruments import Instrument
from tapeflow.schemas.market import Bars
from tapeflow.schemas.sides import Side
from tapeflow.schemas.time import LogPosition, Ns


class OpenOrder(Struct, frozen=True, gc=False):
    """An order that is not over."""

    id: str
    instrument: str
    side: Side
    type: str  # market, limit, stop, ..
    size: Decimal
    filled: Decimal
    limit: Decimal | None
    trigger: Decimal | None
    phase: str  # HELD, SENT or OPEN
    pending: str  # CANCEL or AMEND where one is on its way
    role: str  # entry, exit or child
    parent: str  # of an exit: its entry; of a child: the order of which it is a slice

    @property
    def leaves(self) -> Decimal:
        """What may still be filled."""
        return max(self.size - self.filled, Decimal(0))


class Context(Protocol):
    """What a strategy sees when it is called; arrays are read-only, valid during the call."""

    @property
    def time_ns(self) -> Ns:
        """Log time of the event."""

    @property
    def position(self) -> LogPosition:
        """Log time, partition, offset of the event; a timer has no partition, and offset -1."""

    @property
    def instruments(self) -> Sequence[str]:
        """Ids of the instruments that it trades, sorted."""

    def instrument(self, instrument: str) -> Instrument:
        """Return the facts of an instrument: tick, lot, currencies."""

    def holding(self, instrument: str) -> Decimal:
        """Return its own position, signed."""

    def entry_price(self, instrument: str) -> float | None:
        """Return the average price of its own position; None where it is flat."""

    def orders(self, instrument: str | None = None) -> Sequence[OpenOrder]:
        """Return its own orders that are not over, in the order of their approval."""

    def equity(self) -> Decimal | None:
        """Return the equity of its account in the currency at par: capital, and all profit.

        None where the account has no `capital`, or something open has no price.
        """

    def size(self, instrument: str) -> Decimal | None:
        """Return the size that the job declares, floored to the lot; None where it is unknown."""

    def last(self, instrument: str) -> float | None:
        """Return the price of the last accepted trade."""

    def bid(self, instrument: str) -> float | None:
        """Return the best bid."""

    def ask(self, instrument: str) -> float | None:
        """Return the best ask."""

    def mid(self, instrument: str) -> float | None:
        """Return the middle of bid and ask; None where a side is missing, or they are crossed."""

    def bid_size(self, instrument: str) -> float | None:
        """Return the size at the best bid; None where there is no bid."""

    def ask_size(self, instrument: str) -> float | None:
        """Return the size at the best ask; None where there is no ask."""

    def mark(self, instrument: str) -> float | None:
        """Return the venue's own mark price."""

    def age_ns(self, instrument: str) -> Ns | None:
        """Return the log time since its last trade, or quote of a market."""

    def quote_age_ns(self, instrument: str) -> Ns | None:
        """Return the log time since its last quote of a market; `age_ns` counts trades too."""

    def bars(self, instrument: str, kind: str = "") -> Bars:
        """Return the last bars of a kind, oldest first, as many as `needs` asks for.

        Without a kind, those of the job's own width. Raises ValueError where `needs` asks for none.
        """

    def feature(self, name: str, instrument: str) -> float | None:
        """Return a feature at the last bar of its kind; None before its warm-up.

        Raises ValueError where `needs` does not name it.
        """

    def composite(self, instruments: Sequence[str], max_age_ns: Ns) -> float | None:
        """Return the mean of the mids that are not older than this, weighted by their sizes.

        None where there is none.
        """
