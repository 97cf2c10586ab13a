"""The positions of an account, and of each strategy what a sample of equity needs.

    fill ──▶ put ──┬─▶ states   (trend, BTC) (trend, ETH) (back, BTC)
                   └─▶ sums     trend: realized, fees, open: {BTC}      back: ..

A sample visits the strategies, and of their positions those that are open: a book that was closed
costs nothing any more. Those that pay in a currency of their own (`foreign`) are visited as long as
they hold any of it: its price changes.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal

from tapeflow.operators.desk.positions import ZERO, PositionState

NO_POSITION = PositionState()


@dataclass(slots=True)
class StrategySums:
    """Sums over all positions of a strategy, and those positions that are open.

    The sums are of what is paid in currencies at par; `foreign` are the other positions.
    """

    realized: Decimal = ZERO
    fees: Decimal = ZERO
    funding: Decimal = ZERO
    open: dict[str, PositionState] = field(default_factory=dict)  # by instrument
    foreign: dict[str, PositionState] = field(default_factory=dict)  # by instrument, also closed


@dataclass(slots=True)
class Books:
    """The positions of each strategy in each instrument; changed by `put` alone.

    Money is rounded to a fixed step before it comes here: differences add up to the same sums.
    """

    foreign: frozenset[str] = frozenset()  # instruments that pay in no currency at par
    states: dict[tuple[str, str], PositionState] = field(default_factory=dict)
    sums: dict[str, StrategySums] = field(default_factory=dict)  # by strategy

    @classmethod
    def from_rows(
        cls,
        rows: Iterable[tuple[str, str, PositionState]],
        foreign: frozenset[str] = frozenset(),
    ) -> "Books":
        """Return the books of these rows: strategy, instrument, position."""
        books = cls(foreign)
        for row in rows:
            books.put(*row)
        return books

    def rows(self) -> Iterator[tuple[str, str, PositionState]]:
        """Yield strategy, instrument and position, in the order of the first fills."""
        for (strategy, instrument), position in self.states.items():
            yield strategy, instrument, position

    def get(self, strategy: str, instrument: str) -> PositionState:
        """Return a position; an empty one before its first fill."""
        return self.states.get((strategy, instrument), NO_POSITION)

    def put(self, strategy: str, instrument: str, position: PositionState) -> None:
        """Replace a position."""
        before = self.get(strategy, instrument)
        sums = self.sums.setdefault(strategy, StrategySums())
        self.states[strategy, instrument] = position
        if instrument in self.foreign:
            sums.foreign[instrument] = position
        else:
            sums.realized += position.realized - before.realized
            sums.fees += position.fees - before.fees
            sums.funding += position.funding - before.funding
        if position.quantity:
            sums.open[instrument] = position
        else:
            sums.open.pop(instrument, None)
