"""The paper venue: a market order fills at the first trade after it has reached the venue.

decided at D      D + latency
|                 |     t1        t1 is the first accepted trade at or after D + latency that
order ----------->rests ^ fill    comes after the deciding record: its price, the whole size
"""

from collections.abc import Iterable

import numpy as np
from msgspec import Struct

from tapeflow.engine.compiled import by_numbers, compiled
from tapeflow.schemas.columns import Ints
from tapeflow.schemas.desk_market import DeskTrades
from tapeflow.schemas.orders import Order
from tapeflow.schemas.time import LogPosition


class Match(Struct, frozen=True):
    """A trade that fills an order."""

    position: LogPosition
    order: Order
    price: float
    event_ns: int
    trade_id: int

    def __lt__(self, other: "Match") -> bool:
        return (self.position, self.order.seq) < (other.position, other.order.seq)


def find_match(order: Order, instrument: int, trades: Iterable[DeskTrades]) -> Match | None:
    """Return the first of these trades that fills an order, or None.

    `trades` are of the order's partition, in log order; `instrument` is its number.
    """
    for chunk in trades:
        begin = max(
            int(np.searchsorted(chunk.log_ns, order.active_ns, "left")),
            int(np.searchsorted(chunk.offset, order.offset, "right")),
        )
        row = first_trade_of(chunk.instrument, instrument, begin)
        if row < len(chunk):
            return Match(
                position=(int(chunk.log_ns[row]), order.partition, int(chunk.offset[row])),
                order=order,
                price=float(chunk.price[row]),
                event_ns=int(chunk.event_ns[row]),
                trade_id=int(chunk.trade_id[row]),
            )
    return None


@compiled
@by_numbers
def first_trade_of(instruments: Ints, instrument: int, row: int) -> int:
    """Return the first row of an instrument from `row` on, else the number of rows."""
    while row < len(instruments) and instruments[row] != instrument:
        row += 1
    return row
