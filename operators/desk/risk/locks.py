"""Locks: a strategy may not open again where a protection has just closed its position.

stopped out of a long      BUY refused: LOCKED      until `cooldown` is over, or it wants to SELL
"""

from tapeflow.operators.desk.risk.supervision.memory import key_of
from tapeflow.operators.desk.state import State


def unlock(state: State, strategy: str, instrument: str, side: int) -> None:
    """End a lock that is over, or whose strategy wants the side other than that of its position."""
    key, locks = key_of(strategy, instrument), state.risk.supervision.memory.locks
    found = locks.get(key)
    if found is None:
        return
    is_over = found.until_ns is not None and state.now[0] >= found.until_ns
    if is_over or (found.until_ns is None and side == -found.side):
        del locks[key]
