"""A row, or a moment, at which the orders of an instrument are met; and the reports it brings.

heard at H = max(log time, venue time + answer latency): docs/paper.md 8
"""

import math
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple

from tapeflow.operators.desk.mark_kernels import is_of_market, nan_if_empty
from tapeflow.operators.desk.marks import is_near
from tapeflow.operators.desk.venue.book import Book
from tapeflow.operators.desk.venue.orders import ZERO, PaperOrder
from tapeflow.operators.desk.venue.rows import QuoteId, QuoteRow, Row, Standing, TradeRow
from tapeflow.operators.desk.venue.rules import PaperRules
from tapeflow.schemas.decimals import PRICE_MIN, SIZE_MAX, to_decimal
from tapeflow.schemas.orders import BestQuote, Report, ReportKind
from tapeflow.schemas.sides import BUY, Side
from tapeflow.schemas.time import LogPosition


class Touch(NamedTuple):
    """A usable side of the touch."""

    price: float
    size: float
    side: Side  # BUY: the bid
    quote_at: QuoteId


@dataclass(slots=True)
class Visit:
    """A row of an instrument, or a moment of a timer: then `row` is None."""

    rules: PaperRules
    instrument: int
    book: Book
    row: Row | None
    position: LogPosition
    venue_ns: int
    standing: Standing  # before it; of a quote that has acted, with it
    used: Decimal = ZERO  # what our orders took of the trade
    entered: set[str] = field(default_factory=set)  # orders that entered at this row
    reports: list[Report] = field(default_factory=list)

    @property
    def log_ns(self) -> int:
        """Its log time."""
        return self.position[0]

    def sees(self, order: PaperOrder) -> bool:
        """Return whether an order that has not ended sees the row."""
        return order.active_ns <= self.venue_ns and self.position > order.placed_at

    def report(
        self,
        order_id: str,
        kind: ReportKind,
        at_ns: int | None = None,
        *,
        event_ns: int | None = None,
        **fields: Any,
    ) -> None:
        """Add a report, at the place at which the desk hears it.

        `at_ns` is the venue time of what no row brought, `event_ns` that of the public trade.
        """
        at_ns = self.venue_ns if at_ns is None else at_ns
        known_ns = at_ns + self.rules.latency_ns(order_id, "answer")
        position = self.position if known_ns <= self.log_ns else (known_ns, "", -1)
        happened_ns = at_ns if event_ns is None else event_ns
        record = None if self.row is None else self.position
        report = Report(order_id, kind, position, happened_ns, record=record, **fields)
        self.reports.append(report)

    def touch(self, side: Side) -> Touch | None:
        """Return a side of the touch, None where it is not usable."""
        return usable_touch(self.standing, side, self.log_ns, self.rules)

    def touch_after(self, side: Side) -> Touch | None:
        """Return a side of the row's quote, None where it is no usable touch."""
        standing = self.standing_after()
        return None if standing is None else usable_touch(standing, side, self.log_ns, self.rules)

    def standing_after(self) -> Standing | None:
        """Return what stands after a quote of a market; None for every other row."""
        row = self.row
        if not isinstance(row, QuoteRow):
            return None
        bid, ask = nan_if_empty(row.bid), nan_if_empty(row.ask)
        if not is_of_market(bid, ask):
            return None
        quote_at = QuoteId(row.position[0], row.position[2], row.row)
        return self.standing._replace(
            bid=bid, bid_size=row.bid_size, ask=ask, ask_size=row.ask_size, quote_at=quote_at
        )

    def shown_quote(self, side: Side) -> BestQuote:
        """Return the quote that an order of a side met, as fields of its fill.

        It is the one before the row, where that has a usable touch to take from; else the row's.
        """
        after = self.standing_after() if self.touch(-side) is None else None
        standing = self.standing if after is None else after
        return {"bid": price_or_none(standing.bid), "ask": price_or_none(standing.ask)}

    def shown(self, touch: Touch) -> Decimal:
        """Return what a side of the touch shows to our orders."""
        taken = self.book.taken_from(touch.quote_at, touch.side)
        return max(ZERO, size_of(touch.size) * self.rules.share - taken)

    def left_of_trade(self, ahead: Decimal = ZERO) -> Decimal:
        """Return what our orders may still take of the trade, after so much that is ahead."""
        assert isinstance(self.row, TradeRow)
        rest = max(ZERO, size_of(self.row.size) - ahead)
        return max(ZERO, rest * self.rules.share - self.used)

    def whole_lots(self, size: Decimal) -> Decimal:
        """Round a size down to the lot."""
        return size // self.book.instrument.lot * self.book.instrument.lot


def usable_touch(standing: Standing, side: Side, log_ns: int, rules: PaperRules) -> Touch | None:
    """Return a side of a touch, None where it is not usable: docs/paper.md 1."""
    price, size = (
        (standing.bid, standing.bid_size) if side == BUY else (standing.ask, standing.ask_size)
    )
    shown = (standing.bid, standing.ask)
    if standing.last_at > standing.quote_at[:2] and standing.last not in shown:
        return None  # a later trade at another price: the touch has moved
    is_recent = log_ns - standing.quote_at.log_ns <= rules.quote_age_ns
    if not (price >= PRICE_MIN and is_recent and is_near(price, standing.last)):
        return None
    return Touch(price, size, side, standing.quote_at)


def price_or_none(price: float) -> float | None:
    """Return a price; None where it is NaN, as in columns where there is none."""
    return None if math.isnan(price) else price


def size_of(size: float) -> Decimal:
    """Return a size as a decimal; 0 for what is none."""
    return to_decimal(size) if 0 < size < SIZE_MAX else ZERO
