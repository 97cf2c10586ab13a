"""Trend following: the fast average of closes crosses the slow one.

    fast - slow     - - - 0 + + + + -
    signals               . BUY     SELL        from at or below zero to above, and the reverse

EMA as in TA-Lib: seeded with the mean of the first n closes, then ema += 2/(n+1) (close - ema).
"""

from msgspec import Struct

from operators.signals.view import View
from schemas.market import BUY, SELL, Bar


class State(Struct, frozen=True):
    """Both averages of one instrument; sums until they are seeded."""

    bars: int = 0
    fast: float = 0.0
    slow: float = 0.0


def step(
    state: State | None, bar: Bar, score: float | None, *, fast: float, slow: float
) -> tuple[State, View | None]:
    """Learn a bar; the view is there where the averages have crossed."""
    before = state or State()
    count = before.bars + 1
    after = State(
        count,
        ema(before.fast, bar.close, count, int(fast)),
        ema(before.slow, bar.close, count, int(slow)),
    )
    if before.bars < max(fast, slow):
        return after, None
    was, now = before.fast - before.slow, after.fast - after.slow
    if was <= 0 < now:
        return after, View(BUY, now)
    if was >= 0 > now:
        return after, View(SELL, -now)
    return after, None


def ema(value: float, close: float, count: int, period: int) -> float:
    """The average after the close number `count`, the first being 1; before `period` the sum."""
    if count < period:
        return value + close
    if count == period:
        return (value + close) / period
    return value + 2 / (period + 1) * (close - value)
