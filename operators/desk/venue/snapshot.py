"""The venue as plain values, and back: a snapshot shares nothing with the state it was made of."""

from decimal import Decimal
from heapq import heapify

from msgspec import Struct
from msgspec.structs import replace

from tapeflow.operators.desk.venue.ends import event_of
from tapeflow.operators.desk.venue.orders import PaperOrder
from tapeflow.operators.desk.venue.rows import QuoteId
from tapeflow.operators.desk.venue.state import Timer, VenueState
from tapeflow.schemas.sides import Side

Taken = tuple[str, Side, QuoteId, Decimal]  # instrument, side of a quote, what was taken from it


class VenueSnapshot(Struct):
    """The plain form of the venue's state; instruments go by their ids."""

    number: int
    orders: list[tuple[str, PaperOrder]]
    positions: list[tuple[str, str, str, Decimal]]
    taken: list[Taken]
    timers: list[Timer]


def snapshot(venue: VenueState) -> VenueSnapshot:
    """Return the state of the venue."""
    ids = venue.instruments.ids
    return VenueSnapshot(
        number=venue.number,
        orders=[(ids[each.instrument], copy_order(each)) for each in venue.orders.values()],
        positions=[
            (account, strategy, ids[instrument], size)
            for (account, strategy, instrument), size in venue.positions.items()
        ],
        taken=[
            (ids[instrument], side, quote_at, size)
            for instrument, book in sorted(
                venue.books.items()
            )  # made in any order: by orders, rows
            for side, (quote_at, size) in book.taken.items()
        ],
        timers=sorted(venue.timers),
    )


def copy_order(order: PaperOrder) -> PaperOrder:
    """Copy an order with its lists."""
    return replace(
        order,
        cancels=[*order.cancels],
        amendments=[*order.amendments],
        scheduled=[*order.scheduled],
    )


def restore_into(venue: VenueState, saved: VenueSnapshot) -> None:
    """Give an empty venue the state of a snapshot; its table may have changed since.

    Raises KeyError for an order of an instrument that is not in the table any more.
    """
    number_of = venue.instruments.number
    venue.number = saved.number
    for name, order in saved.orders:
        restored = copy_order(order)
        restored.instrument = number_of[name]
        venue.add(restored)
        events = venue.book_of(restored.instrument).events
        events += [event_of(restored, time) for time in restored.scheduled]
    for book in venue.books.values():
        heapify(book.events)
    for account, strategy, name, size in saved.positions:
        if name not in number_of:
            continue  # flat: see held.py
        venue.positions[account, strategy, number_of[name]] = size
    for name, side, quote_at, size in saved.taken:
        if name not in number_of:  # no order and no position is left there
            continue
        book = venue.book_of(number_of[name])
        book.taken[side] = quote_at, size
    venue.timers = [*saved.timers]
