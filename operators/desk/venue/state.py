"""All that the paper venue has: orders, positions, timers."""

from dataclasses import dataclass, field
from decimal import Decimal

from tapeflow.operators.desk.venue.book import CROWDED, Book
from tapeflow.operators.desk.venue.orders import ZERO, PaperOrder
from tapeflow.operators.desk.venue.rules import PaperRules
from tapeflow.schemas.instruments import InstrumentTable

Owner = tuple[str, str, int]  # account, strategy, instrument
Timer = tuple[int, bool, int, int, int, str, int]  # log time, delayed, then as an event of a book


def owner_of(order: PaperOrder) -> Owner:
    """Return whose position an order changes."""
    return order.account, order.strategy, order.instrument


@dataclass(slots=True)
class VenueState:
    """The state of the venue, changed in place."""

    rules: PaperRules
    instruments: InstrumentTable
    orders: dict[str, PaperOrder] = field(default_factory=dict)  # those that live
    books: dict[int, Book] = field(default_factory=dict)  # by instrument, once it has an order
    positions: dict[Owner, Decimal] = field(default_factory=dict)  # signed, as the venue has them
    reducers: dict[Owner, dict[str, PaperOrder]] = field(default_factory=dict)  # reduce-only
    timers: list[Timer] = field(default_factory=list)  # a heap; stale ones are dropped when due
    crowded: int = CROWDED  # so many timers: those of orders that are over are to be dropped
    number: int = 0  # of the newest order
    changed: set[int] = field(default_factory=set)  # instruments whose bounds may have changed

    def book_of(self, instrument: int) -> Book:
        """Return the book of an instrument."""
        book = self.books.get(instrument)
        if book is None:
            row = self.instruments.rows[instrument]
            book = self.books[instrument] = Book(row, self.rules.model)
        return book

    def add(self, order: PaperOrder) -> None:
        """Let an order be met by rows."""
        self.orders[order.id] = order
        if order.terms.reduce_only:
            self.reducers.setdefault(owner_of(order), {})[order.id] = order
        self.book_of(order.instrument).add(order)
        self.changed.add(order.instrument)

    def remove(self, order: PaperOrder) -> None:
        """Forget an order, for good or until it is added again in another shape."""
        del self.orders[order.id]
        if order.terms.reduce_only:
            owner = owner_of(order)
            del self.reducers[owner][order.id]
            if not self.reducers[owner]:
                del self.reducers[owner]
        self.books[order.instrument].remove(order)
        self.changed.add(order.instrument)

    def room(self, order: PaperOrder) -> Decimal:
        """Return how much of the position an order can reduce."""
        return max(ZERO, -order.side * self.positions.get(owner_of(order), ZERO))
