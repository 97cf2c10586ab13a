"""Locks: a strategy may not open again where a protection has just closed its position.

stopped out of a long      BUY refused: LOCKED      until `cooldown` is over, or it wants to SELL
"""

from tapeflow.operators.desk.risk.supervision.memory import key_of
from tapeflow.operators.desk.settings import DeskSettings
from tapeflow.operators.desk.state import State
from tapeflow.schemas.orders import Order
from tapeflow.schemas.sides import side_name
from tapeflow.schemas.time import format_time


def unlock(state: State, settings: DeskSettings, order: Order) -> None:
    """End a lock whose time is over, or whose strategy wants the other side, refused or not.

    An order that closes what is held, or only reduces, is an exit: it wants no other side.
    """
    key, locks = key_of(order.strategy, order.instrument), state.risk.supervision.memory.locks
    found = locks.get(key)
    if found is None:
        return
    if found.until_ns is not None:
        if order.time_ns >= found.until_ns:
            del locks[key]
        return
    row, books = (
        settings.instruments.get(order.instrument),
        state.accounts[order.account].money.books,
    )
    held = row.floor_size(abs(books.get(order.strategy, order.instrument).quantity))
    if order.side == -found.side and not order.reduce_only and not held:
        del locks[key]


def lock_of(state: State, order: Order) -> str:
    """Return until when a strategy may not open in an instrument, "" where it may."""
    locks = state.risk.supervision.memory.locks
    found = locks.get(key_of(order.strategy, order.instrument)) if locks else None
    if found is None:
        return ""
    if found.until_ns is not None:
        return "" if order.time_ns >= found.until_ns else f"until {format_time(found.until_ns)}"
    return f"until {side_name(-found.side)}"
