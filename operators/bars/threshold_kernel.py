"""The fold of `threshold.py` over columns of trades, in log order.

step 5       sizes  2  2  3        7              a trade is split at the step
bars               [2  2  1][2  3][4 ...          each bar holds exactly 5
"""

from typing import Annotated, Any, NamedTuple

import numpy as np

from tapeflow.engine.compiled import by_numbers, compiled, inlined
from tapeflow.operators.bars.kernel import kahan_sum
from tapeflow.operators.bars.layout import MIDDLE_NS, NONE, SUMS, Rows
from tapeflow.schemas.columns import WRITTEN, Floats, Ints
from tapeflow.schemas.gaps import FILLED, NO_INSTRUMENT
from tapeflow.schemas.market import ACCEPTED
from tapeflow.schemas.sides import BUY
from tapeflow.schemas.time import LAST_NS

TICK, VOLUME, DOLLAR = range(3)
ROUNDING = 1e-12  # of the step: what is nearer to it is at it, since sizes are sums of decimals
PARTS_MAX = 1000  # bars that one trade may fill: the last of them takes all that is left
HELD = np.dtype(
    [
        ("start_ns", np.int64),  # NONE where no bar is open
        ("end_mid_ns", np.int64),  # where none is open: of the bar before
        ("newest_ns", np.int64),  # event time
        ("instrument", np.int64),
        ("count", np.int64),
        ("first_offset", np.int64),
        ("last_offset", np.int64),
        ("log_ns", np.int64),  # of the record that closed it
        ("offset", np.int64),
        ("broken", np.int64),  # 1: trades since the bar before may be missing
        *((name, np.float64) for name in ("open", "high", "low", "close", *SUMS)),
        *((f"{name}_error", np.float64) for name in SUMS),
    ]
)
HeldRows = Annotated[Rows, HELD, WRITTEN]


class Trades(NamedTuple):
    """Columns of trades."""

    offset: Ints
    log_ns: Ints
    instrument: Ints
    counts: Ints  # `count` is a method of tuples
    aggressor: Ints
    event_ns: Ints
    verdict: Ints
    price: Floats
    size: Floats


class Breaks(NamedTuple):
    """Columns of what was found to be missing."""

    offset: Ints
    kind: Ints
    instrument: Ints


TradeColumns = tuple[Ints, Ints, Ints, Ints, Ints, Ints, Ints, Floats, Floats]


@inlined
def begin_bar(bar: Any, trades: Trades, trade: int) -> None:
    """Begin a bar with a trade, which is not added yet, where the bar before has ended at last."""
    bar["start_ns"] = max(trades.event_ns[trade], bar["end_mid_ns"] + MIDDLE_NS)
    bar["newest_ns"] = bar["start_ns"]
    bar["count"], bar["first_offset"] = 0, trades.offset[trade]
    bar["open"] = bar["high"] = bar["low"] = trades.price[trade]
    bar["volume"] = bar["notional"] = bar["buy_volume"] = bar["buy_notional"] = 0.0
    bar["volume_error"] = bar["notional_error"] = 0.0
    bar["buy_volume_error"] = bar["buy_notional_error"] = 0.0


@inlined
def add_part(bar: Any, trades: Trades, trade: int, part: float) -> None:
    """Add a part of a trade's size to its bar."""
    price = trades.price[trade]
    bar["newest_ns"] = max(bar["newest_ns"], trades.event_ns[trade])
    bar["high"], bar["low"] = max(bar["high"], price), min(bar["low"], price)
    bar["close"], bar["last_offset"] = price, trades.offset[trade]
    bar["count"] += trades.counts[trade]
    bar["volume"], bar["volume_error"] = kahan_sum(bar["volume"], bar["volume_error"], part)
    bar["notional"], bar["notional_error"] = kahan_sum(
        bar["notional"], bar["notional_error"], price * part
    )
    if trades.aggressor[trade] == BUY:
        bar["buy_volume"], bar["buy_volume_error"] = kahan_sum(
            bar["buy_volume"], bar["buy_volume_error"], part
        )
        bar["buy_notional"], bar["buy_notional_error"] = kahan_sum(
            bar["buy_notional"], bar["buy_notional_error"], price * part
        )


@inlined
def part_of(bar: Any, measure: int, step: float, price: float, left: float) -> tuple[float, bool]:
    """Return how much of a size of `left` goes into a bar, and whether that makes it full."""
    unit = price if measure == DOLLAR else 1.0
    needed = step - (bar["notional"] if measure == DOLLAR else bar["volume"])
    over, rounding = left * unit - needed, step * ROUNDING
    if over < -rounding:
        return left, False
    part = left if over <= rounding else needed / unit
    return (part, True) if 0.0 < part < left else (left, True)


@inlined
def end_bar(bar: Any, measure: int, step: float) -> None:
    """Set the end of a full bar, and correct what it is full of for rounding."""
    bar["end_mid_ns"] = min(bar["newest_ns"], LAST_NS - 1) - MIDDLE_NS + 1
    rounding = step * ROUNDING
    if measure == VOLUME and abs(bar["volume"] - step) <= rounding:
        bar["volume"] = step
    elif measure == DOLLAR and abs(bar["notional"] - step) <= rounding:
        bar["notional"] = step
    bar["buy_volume"] = min(bar["buy_volume"], bar["volume"])
    bar["buy_notional"] = min(bar["buy_notional"], bar["notional"])


@inlined
def break_bars(held: Rows, instrument: int) -> None:
    """Note that trades of an instrument may be missing, or of all."""
    for number in range(len(held)):
        if instrument in (number, NO_INSTRUMENT):
            held[number]["broken"] = 1


@compiled
@by_numbers
def fill_bars(
    held: HeldRows, closed: HeldRows, columns: TradeColumns, breaks: tuple[Ints, Ints, Ints],
    begin: tuple[int, int], measure: int, step: float,
) -> tuple[int, int, int]:  # fmt: skip
    """Add trades to the bars of their instruments, until done, or `closed` may become full.

    `held`: (instruments,) rows of HELD. `closed`: rows of HELD, more than PARTS_MAX. `columns`,
    `breaks`: the fields of `Trades` and `Breaks`, as plain tuples. `begin`: the first trade and
    break. Returns those to go on with, and how many bars are closed.
    """
    trades, missing, count = Trades(*columns), Breaks(*breaks), 0
    trade, found = begin
    while trade <= len(trades.offset) and count + PARTS_MAX <= len(closed):
        while found < len(missing.offset) and (
            trade == len(trades.offset) or missing.offset[found] <= trades.offset[trade]
        ):
            if missing.kind[found] != FILLED:
                break_bars(held, missing.instrument[found])
            found += 1
        if trade < len(trades.offset) and trades.verdict[trade] == ACCEPTED:
            bar, left, parts = held[trades.instrument[trade]], trades.size[trade], 0
            while parts == 0 or left > 0.0:
                if bar["start_ns"] == NONE:
                    begin_bar(bar, trades, trade)
                if measure == TICK:
                    part, full = left, bar["count"] + trades.counts[trade] >= step
                else:
                    part, full = part_of(bar, measure, step, trades.price[trade], left)
                parts += 1
                part = left if parts == PARTS_MAX else part
                add_part(bar, trades, trade, part)
                left -= part
                if full:
                    end_bar(bar, measure, step)
                    bar["log_ns"], bar["offset"] = trades.log_ns[trade], trades.offset[trade]
                    closed[count] = held[trades.instrument[trade]]
                    bar["start_ns"], bar["broken"] = NONE, 0
                    count += 1
        trade += 1
    return trade, found, count
