"""What a kept state holds at the venue: open positions and orders that live, by strategy.

An order lives that is neither full nor known to have ended. Without order events no end is known
but a full one: an order that has expired or was canceled counts as living.
"""

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
    SELECT account, strategy, instrument, side, leaves FROM order_states
    WHERE phase IS DISTINCT FROM 'DONE' AND role <> 'child' ORDER BY account, seq
"""


class HeldPosition(NamedTuple):
    """An open position."""

    account: str
    strategy: str
    instrument: str
    quantity: Decimal  # signed


class RestingOrder(NamedTuple):
    """An order that lives: one that is held, on its way or at the venue."""

    account: str
    strategy: str
    instrument: str
    side: str  # BUY | SELL
    size: Decimal  # that may still be filled; of an order in slices with that of its children


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
