"""Open positions, valued at the newest price that facts have.

close of the last bar   where it is newer than the mark of the last fill, and values are no
                        mark prices of the venue
mark of the last fill   else; no price where there is neither
"""

from decimal import Decimal

from tapeflow.flows.live.model import OpenPosition
from tapeflow.flows.live.source import Row

NAMES = ("account", "strategy", "instrument", "currency")


def open_positions(
    rows: list[Row], closes: list[Row], *, mark_prices: bool = False
) -> list[OpenPosition]:
    """Return the positions with their unrealized profit, in the order of the rows.

    `mark_prices`: perpetuals are valued at mark prices of the venue, so no bar values them.
    """
    close_of = {row["instrument"]: row for row in closes}
    found = []
    for row in rows:
        close = None if mark_prices and row["kind"] == "perp" else close_of.get(row["instrument"])
        found.append(value_position(row, close))
    return found


def value_position(row: Row, close: Row | None) -> OpenPosition:
    """Return a position at the close of a bar, or at its own mark where that is newer."""
    price, price_ns, price_of, unrealized = None, None, "", None
    if row["unrealized"] is not None:
        price, price_ns, price_of = Decimal(row["mark"]), row["mark_ns"], "mark"
        unrealized = Decimal(row["unrealized"])
    if close is not None and row["multiplier"] is not None and close["close_ns"] > (price_ns or 0):
        price, price_ns, price_of = Decimal(repr(close["close"])), close["close_ns"], "bar"
        unrealized = value_at(row, price) - Decimal(row["cost"])
    return OpenPosition(
        **{name: row[name] for name in NAMES},
        quantity=Decimal(row["quantity"]),
        entry_price=Decimal(row["entry_price"]),
        realized=Decimal(row["realized"]),
        fees=Decimal(row["fees"]),
        price=price,
        price_ns=price_ns,
        price_of=price_of,  # type: ignore[arg-type]  # one of the literals above
        unrealized=unrealized,
    )


def value_at(row: Row, price: Decimal) -> Decimal:
    """Return what a position is worth at a price, signed like its cost: docs/orders.md.

    >>> long = {"quantity": "-2", "multiplier": "10", "contract": "linear"}
    >>> value_at(long, Decimal("5"))
    Decimal('-100')
    """
    units = Decimal(row["quantity"]) * Decimal(row["multiplier"])
    return -units / price if row["contract"] == "inverse" else units * price
