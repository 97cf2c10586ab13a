"""The fold of `quotes.py` over columns of quotes, in log order.

log time   | q1      q2      |         q3   |     a bar begins with what was in force before it
in force    ...q0 q1     q2   q2        q3        and each value is weighted by how long it was
"""

import math
from typing import Annotated, Any, NamedTuple

import numpy as np

from tapeflow.engine.compiled import by_numbers, compiled, inlined
from tapeflow.operators.bars.kernel import interval, kahan_sum
from tapeflow.operators.bars.layout import MIDDLE_NS, NONE, Rows
from tapeflow.operators.desk.mark_kernels import is_of_market, nan_if_empty
from tapeflow.schemas.columns import WRITTEN, Floats, Ints

VALUES = ("mid", "spread", "imbalance", "microprice")
HELD = np.dtype(
    [
        ("start_ns", np.int64),  # log time, as all times here; NONE where no bar is open
        ("end_mid_ns", np.int64),
        ("instrument", np.int64),
        ("count", np.int64),  # quotes
        ("since_ns", np.int64),  # until when what is in force is weighted
        ("weight_ns", np.int64),  # how long there was a mid
        ("size_weight_ns", np.int64),  # how long there were sizes too
        ("paused_ns", np.int64),  # of the record after the last pause
        ("first_offset", np.int64),
        ("last_offset", np.int64),
        ("log_ns", np.int64),  # of the record that closed it
        ("offset", np.int64),
        ("broken", np.int64),  # 1: the log has paused or ended in it
        *((name, np.float64) for name in ("open", "high", "low", "close")),
        *((name, np.float64) for name in VALUES),  # in force, NaN where there is none
        *((f"{name}_sum", np.float64) for name in VALUES),  # times ns
        *((f"{name}_error", np.float64) for name in VALUES),
    ]
)
HeldRows = Annotated[Rows, HELD, WRITTEN]


class Quotes(NamedTuple):
    """Columns of quotes."""

    offset: Ints
    log_ns: Ints
    instrument: Ints
    bid: Floats
    bid_size: Floats
    ask: Floats
    ask_size: Floats


class Pauses(NamedTuple):
    """Pauses of the log: offset of the record after each, and log times of it and of the last."""

    offset: Ints
    log_ns: Ints
    before_ns: Ints


QuoteColumns = tuple[Ints, Ints, Ints, Floats, Floats, Floats, Floats]


@inlined
def weigh(bar: Any, until_ns: int) -> None:
    """Add what is in force, weighted by the time until then."""
    span_ns = until_ns - bar["since_ns"]
    bar["since_ns"] = max(until_ns, bar["since_ns"])
    if span_ns <= 0 or math.isnan(bar["mid"]):
        return
    bar["weight_ns"] += span_ns
    bar["mid_sum"], bar["mid_error"] = kahan_sum(
        bar["mid_sum"], bar["mid_error"], bar["mid"] * span_ns
    )
    bar["spread_sum"], bar["spread_error"] = kahan_sum(
        bar["spread_sum"], bar["spread_error"], bar["spread"] * span_ns
    )
    if not math.isnan(bar["imbalance"]):
        bar["size_weight_ns"] += span_ns
        bar["imbalance_sum"], bar["imbalance_error"] = kahan_sum(
            bar["imbalance_sum"], bar["imbalance_error"], bar["imbalance"] * span_ns
        )
        bar["microprice_sum"], bar["microprice_error"] = kahan_sum(
            bar["microprice_sum"], bar["microprice_error"], bar["microprice"] * span_ns
        )


@inlined
def begin_bar(bar: Any, times: tuple[int, int], offset: int, log_ns: int, mid: float) -> None:
    """Begin a bar with what is in force at its start; the rest is of its first quote."""
    start_ns, end_mid_ns = times
    bar["start_ns"], bar["end_mid_ns"], bar["since_ns"] = start_ns, end_mid_ns, start_ns
    bar["count"], bar["first_offset"] = 0, offset
    bar["broken"] = 1 if start_ns < bar["paused_ns"] else 0
    bar["open"] = mid if math.isnan(bar["mid"]) or log_ns == start_ns else bar["mid"]
    bar["high"] = bar["low"] = bar["close"] = bar["open"]
    bar["weight_ns"] = bar["size_weight_ns"] = 0
    bar["mid_sum"] = bar["spread_sum"] = bar["imbalance_sum"] = bar["microprice_sum"] = 0.0
    bar["mid_error"] = bar["spread_error"] = 0.0
    bar["imbalance_error"] = bar["microprice_error"] = 0.0


@inlined
def put_in_force(bar: Any, bid: float, bid_size: float, ask: float, ask_size: float) -> None:
    """Put a quote with a mid in force; without sizes it has no imbalance."""
    sizes = bid_size + ask_size
    bar["mid"], bar["spread"] = bid + (ask - bid) / 2, ask - bid
    bar["imbalance"] = bar["microprice"] = math.nan
    if sizes > 0.0:
        bar["imbalance"] = (bid_size - ask_size) / sizes
        bar["microprice"] = (bid * ask_size + ask * bid_size) / sizes


@inlined
def pause_bars(held: Rows, log_ns: int, before_ns: int) -> None:
    """End what is in force: nothing is known of a pause until its end."""
    for number in range(len(held)):
        bar = held[number]
        if bar["start_ns"] != NONE:
            end_ns = min(bar["end_mid_ns"], before_ns - MIDDLE_NS) + MIDDLE_NS
            weigh(bar, end_ns)
            if bar["end_mid_ns"] > before_ns - MIDDLE_NS:
                bar["broken"] = 1
        bar["mid"], bar["paused_ns"] = math.nan, log_ns


@inlined
def close_until(held: Rows, closed: Rows, count: int, until_ns: int, ends: bool) -> int:
    """Write the bars that have ended by then to `closed`, from row `count` on; return the end.

    `ends`: the log ends there, and with it all bars.
    """
    for number in range(len(held)):
        bar = held[number]
        is_over = bar["end_mid_ns"] <= until_ns - MIDDLE_NS
        if bar["start_ns"] != NONE and (is_over or ends):
            weigh(bar, min(bar["end_mid_ns"], until_ns - MIDDLE_NS) + MIDDLE_NS)
            bar["broken"] = bar["broken"] if is_over else 1
            closed[count] = held[number]
            bar["start_ns"] = NONE
            count += 1
    return count


@compiled
@by_numbers
def fold_quotes(
    held: HeldRows, closed: HeldRows, columns: QuoteColumns, pauses: tuple[Ints, Ints, Ints],
    width: tuple[int, int, Ints, Ints], until_ns: int, ends: bool,
) -> int:  # fmt: skip
    """Add quotes; return how many bars have ended by `until_ns`, the log time of the last record.

    `ends`: it is the last of the log, which ends all bars. `held`: (instruments,) rows of HELD.
    `closed`: as many rows of HELD as quotes and instruments. `columns`, `pauses`: the fields of
    `Quotes` and `Pauses`. `width`: see `interval`.
    """
    quotes, paused, count, pause = Quotes(*columns), Pauses(*pauses), 0, 0
    for row in range(len(quotes.offset)):
        while pause < len(paused.offset) and paused.offset[pause] <= quotes.offset[row]:
            pause_bars(held, paused.log_ns[pause], paused.before_ns[pause])
            pause += 1
        bar, log_ns = held[quotes.instrument[row]], quotes.log_ns[row]
        if bar["start_ns"] != NONE and bar["end_mid_ns"] <= log_ns - MIDDLE_NS:
            weigh(bar, bar["end_mid_ns"] + MIDDLE_NS)
            closed[count] = held[quotes.instrument[row]]
            bar["start_ns"] = NONE
            count += 1
        bid, ask = nan_if_empty(quotes.bid[row]), nan_if_empty(quotes.ask[row])
        mid = bid + (ask - bid) / 2
        if math.isnan(mid) or not is_of_market(bid, ask):
            weigh(bar, log_ns)
            bar["mid"] = math.nan
            continue
        if bar["start_ns"] == NONE:
            begin_bar(bar, interval(width, log_ns), quotes.offset[row], log_ns, mid)
        weigh(bar, log_ns)
        put_in_force(bar, bid, quotes.bid_size[row], ask, quotes.ask_size[row])
        bar["high"], bar["low"], bar["close"] = max(bar["high"], mid), min(bar["low"], mid), mid
        bar["count"], bar["last_offset"] = bar["count"] + 1, quotes.offset[row]
    while pause < len(paused.offset):
        pause_bars(held, paused.log_ns[pause], paused.before_ns[pause])
        pause += 1
    return close_until(held, closed, count, until_ns, ends)
