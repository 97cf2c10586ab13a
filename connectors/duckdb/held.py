"""What a kept state holds at the venue: open positions and orders without a fill, by strategy."""

from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

from tapeflow.connectors.duckdb.file import connect_owner, translate_errors

IS_MADE = "SELECT 1 FROM duckdb_views() WHERE view_name = 'positions'"
POSITIONS = """
    SELECT account, strategy, instrument, arg_max(quantity, seq) AS quantity
    FROM positions GROUP BY ALL HAVING quantity <> 0 ORDER BY ALL
"""
ORDERS = """
    SELECT account, strategy, instrument, side, size FROM orders
    WHERE id NOT IN (SELECT order_id FROM fills) ORDER BY account, seq
"""


class HeldPosition(NamedTuple):
    """An open position."""

    account: str
    strategy: str
    instrument: str
    quantity: Decimal  # signed


class RestingOrder(NamedTuple):
    """An order that has no fill yet."""

    account: str
    strategy: str
    instrument: str
    side: str  # BUY | SELL
    size: Decimal


def read_held(work: Path) -> tuple[list[HeldPosition], list[RestingOrder]]:
    """Return the open positions and the resting orders of a state's work file.

    There are none where a first start was killed before it had made the tables.
    """
    with translate_errors(work), connect_owner(work) as con:
        if not con.execute(IS_MADE).fetchall():
            return [], []
        positions = con.execute(POSITIONS).fetchall()
        orders = con.execute(ORDERS).fetchall()
    return [HeldPosition(*row) for row in positions], [RestingOrder(*row) for row in orders]
