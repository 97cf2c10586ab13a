"""The prices of a story at any place of its log: the rule is at the head of operators/desk/marks.py."""

from decimal import Decimal as D
from typing import Any

from tapeflow.schemas.time import LogPosition
from tests.desk_stories import QuoteRow
from tests.plain_flow import IDS
from tests.risk_stories import Story


class Prices:
    """The last trade and quote of each instrument at any place of a log."""

    def __init__(self, story: Story):
        self.rows = sorted(
            ((row.log_ns, partition, offset), row)
            for partition, rows in story.rows.items()
            for offset, row in enumerate(rows)
            if hasattr(row, "instrument")
        )
        self.next = 0  # row
        self.trades: dict[int, tuple[LogPosition, Any]] = {}  # by instrument
        self.quotes: dict[int, tuple[LogPosition, Any]] = {}

    def move(self, position: LogPosition) -> None:
        """Go on to a place; those of decisions only grow."""
        while self.next < len(self.rows) and self.rows[self.next][0] <= position:
            at, row = self.rows[self.next]
            (self.quotes if isinstance(row, QuoteRow) else self.trades)[row.instrument] = at, row
            self.next += 1

    def closing(self, instrument: str, *, long: bool) -> D | None:
        """Return the price at which a position could be closed: of the newer of trade and quote."""
        number = IDS.index(instrument)
        trade, quote = self.trades.get(number), self.quotes.get(number)
        if quote is not None and (trade is None or quote[0] >= trade[0]):
            return D(str(quote[1].bid if long else quote[1].ask))
        return None if trade is None else D(str(trade[1].price))
