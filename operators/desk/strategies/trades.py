"""The closed trades of a strategy: what each made, as a part of what it cost.

    buy 2 @ 100, sell 1 @ 110, sell 1 @ 90, fees 2      made -2 of 200: -0.01

A trade is closed where the position is flat again, or turns.
"""

from decimal import Decimal

from msgspec import Struct

from tapeflow.operators.desk.booking import Booking
from tapeflow.operators.desk.positions import ZERO, PositionState
from tapeflow.schemas.decimals import DECIMAL_CONTEXT


class OpenTrade(Struct):
    """A trade that is not closed: its cost so far, and the profit from before it."""

    began: Decimal  # what the position had made before it
    cost: Decimal = ZERO  # of what was closed


class ClosedTrades(Struct):
    """The returns of the last closed trades, and the trades that are open, by instrument."""

    count: int = 0  # of the last ones that are kept
    returns: list[Decimal] = []
    open: dict[str, OpenTrade] = {}

    def add(self, booking: Booking) -> None:
        """Add what a fill has closed."""
        before, after, name = booking.before, booking.after, booking.row.id
        trade = self.open.setdefault(name, OpenTrade(profit_of(before)))
        turns = before.quantity * after.quantity < 0
        if abs(after.quantity) < abs(before.quantity) or turns:
            is_over = turns or not after.quantity
            trade.cost += abs(before.cost) if is_over else abs(before.cost) - abs(after.cost)
            if is_over:
                self.end(self.open.pop(name), profit_of(after))
            if turns:
                self.open[name] = OpenTrade(profit_of(after))

    def end(self, trade: OpenTrade, profit: Decimal) -> None:
        """Keep the return of a trade that is over; `profit` is what the position has made now."""
        if trade.cost:
            self.returns.append(DECIMAL_CONTEXT.divide(profit - trade.began, trade.cost))
        del self.returns[: max(len(self.returns) - self.count, 0)]


def profit_of(position: PositionState) -> Decimal:
    """Return what a position has made so far, apart from what is open."""
    return position.realized - position.fees + position.funding
