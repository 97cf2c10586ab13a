"""The fold of `wider.py` over columns: bars of the job's width are added to the wider ones.

An instrument has one wider bar open at most: its bars close in the order of event time, and a wider
bar has closed when one of the next is there.
"""

from typing import Any, NamedTuple

from tapeflow.engine.compiled import by_numbers, compiled, inlined
from tapeflow.operators.bars.kernel import interval, kahan_sum
from tapeflow.operators.bars.layout import MIDDLE_NS, NONE, BarRows
from tapeflow.schemas.columns import Floats, Ints


class BaseBars(NamedTuple):
    """Columns of bars of the job's width."""

    instrument: Ints
    open_ns: Ints
    log_ns: Ints
    offset: Ints
    first_offset: Ints
    last_offset: Ints
    counts: Ints  # `count` is a method of tuples
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    notional: Floats
    buy_volume: Floats
    buy_notional: Floats


BaseColumns = tuple[
    Ints, Ints, Ints, Ints, Ints, Ints, Ints,
    Floats, Floats, Floats, Floats, Floats, Floats, Floats, Floats,
]  # fmt: skip


@inlined
def open_wider(bar: Any, bars: BaseBars, row: int) -> None:
    """Begin a bar with the one of a row, which is not added yet."""
    bar["instrument"], bar["count"] = bars.instrument[row], 0
    bar["first_offset"], bar["last_offset"] = bars.first_offset[row], bars.last_offset[row]
    bar["open"], bar["high"], bar["low"] = bars.open[row], bars.high[row], bars.low[row]
    bar["volume"] = bar["notional"] = bar["buy_volume"] = bar["buy_notional"] = 0.0
    bar["volume_error"] = bar["notional_error"] = 0.0
    bar["buy_volume_error"] = bar["buy_notional_error"] = 0.0


@inlined
def add_bar(bar: Any, bars: BaseBars, row: int) -> None:
    """Add the bar of a row, the latest so far."""
    bar["first_offset"] = min(bar["first_offset"], bars.first_offset[row])
    bar["last_offset"] = max(bar["last_offset"], bars.last_offset[row])
    bar["high"], bar["low"] = max(bar["high"], bars.high[row]), min(bar["low"], bars.low[row])
    bar["close"] = bars.close[row]
    bar["count"] += bars.counts[row]
    bar["volume"], bar["volume_error"] = kahan_sum(
        bar["volume"], bar["volume_error"], bars.volume[row]
    )
    bar["notional"], bar["notional_error"] = kahan_sum(
        bar["notional"], bar["notional_error"], bars.notional[row]
    )
    bar["buy_volume"], bar["buy_volume_error"] = kahan_sum(
        bar["buy_volume"], bar["buy_volume_error"], bars.buy_volume[row]
    )
    bar["buy_notional"], bar["buy_notional_error"] = kahan_sum(
        bar["buy_notional"], bar["buy_notional_error"], bars.buy_notional[row]
    )


@compiled
@by_numbers
def add_bars(
    wider: BarRows, closed: BarRows, columns: BaseColumns, width: tuple[int, int, Ints, Ints]
) -> int:
    """Add bars, in the order in which they have closed; return how many wider ones they ended.

    `wider`: (instruments,) rows of BAR, the open one of each; its `start_ns` is NONE where none is.
    `closed`: (bars,) rows of BAR, room for those that a bar of the next one ends: log time and
    offset are that bar's. `columns`: the fields of `BaseBars`. `width`: see `interval`.
    """
    bars, count = BaseBars(*columns), 0
    for row in range(len(bars.instrument)):
        bar = wider[bars.instrument[row]]
        if bar["start_ns"] != NONE and bars.open_ns[row] - MIDDLE_NS >= bar["end_mid_ns"]:
            bar["log_ns"], bar["offset"] = bars.log_ns[row], bars.offset[row]
            closed[count] = wider[bars.instrument[row]]
            bar["start_ns"] = NONE
            count += 1
        if bar["start_ns"] == NONE:
            bar["start_ns"], bar["end_mid_ns"] = interval(width, bars.open_ns[row])
            open_wider(bar, bars, row)
        add_bar(bar, bars, row)
    return count
