"""The fold of `step.py` over columns: watermark, lateness, open bars, closings.

    first_slot    of an instrument ──▶ slot 3 ──▶ slot 7      its open bars, the newest first; more
                                                              than one while trades are out of order
    slots.free    ───────────────────▶ slot 4 ──▶ slot 5 ..   rows of the table without a bar
Sums are Kahan sums: exact to the last digit that an exchange prints.
"""

from typing import Any

import numpy as np

from tapeflow.engine.compiled import by_numbers, compiled, inlined
from tapeflow.operators.bars.layout import (
    MIDDLE_NS,
    NEVER_MID_NS,
    NONE,
    BarRows,
    Clock,
    Cursor,
    Rows,
    Scalars,
    Slots,
    TradeColumns,
    Trades,
)
from tapeflow.schemas.columns import Ints, Written
from tapeflow.schemas.market import ACCEPTED, HEARTBEAT, LATE
from tapeflow.schemas.sides import BUY


@inlined
def interval(width: Any, event_ns: int) -> tuple[int, int]:
    """Return the start of the bar that a time is in, and its end, from MIDDLE_NS.

    `width`: span and origin in ns, and starts and ends of all bars where they are by the calendar.
    """
    span_ns, origin_ns, starts_ns, ends_mid_ns = width
    if len(starts_ns):
        number = np.searchsorted(starts_ns, event_ns, "right") - 1
        return starts_ns[number], ends_mid_ns[number]
    start_ns = event_ns - (event_ns - origin_ns) % span_ns
    return start_ns, start_ns - MIDDLE_NS + span_ns


@inlined
def clock_after_silence(clock: Clock, log_ns: int, lag_ns: int) -> Clock:
    """Return the clock after a heartbeat: event time has advanced by as much as log time.

    `lag_ns`: MIDDLE_NS and the lateness. A watermark beyond all ends stays below NEVER_MID_NS.
    """
    if clock.newest_ns == NONE:
        return clock
    reached = clock.newest_ns - lag_ns
    passed_ns = min(log_ns - clock.newest_log_ns, NEVER_MID_NS - 1 - max(reached, 0))
    watermark_mid_ns = max(clock.watermark_mid_ns, reached + passed_ns)
    return Clock(clock.newest_ns, clock.newest_log_ns, watermark_mid_ns, clock.first_ns)


@inlined
def clock_after_trade(clock: Clock, event_ns: int, log_ns: int, lag_ns: int) -> Clock:
    """Return the clock after a trade that is no duplicate, late or not; `lag_ns`: as above."""
    newest_ns, newest_log_ns = clock.newest_ns, clock.newest_log_ns
    if event_ns > newest_ns:
        newest_ns, newest_log_ns = event_ns, log_ns
    watermark_mid_ns = max(clock.watermark_mid_ns, newest_ns - lag_ns)
    return Clock(newest_ns, newest_log_ns, watermark_mid_ns, clock.first_ns)


@inlined
def find_bar(bars: Rows, slot: int, start_ns: int) -> int:
    """Return the slot of the bar that starts then, in the chain from `slot` on, or NONE."""
    while slot != NONE and bars[slot]["start_ns"] != start_ns:
        slot = bars[slot]["next"]
    return slot


@inlined
def open_bar(
    bars: Rows, first_slot: Ints, slots: Slots, trades: Trades, trade: int, times: Any, rank: int
) -> Slots:
    """Take the first free slot for the bar of a trade; return the slots after that."""
    bar, instrument = bars[slots.free], trades.instrument[trade]
    left = Slots(bar["next"], slots.used + 1, min(slots.first_end_mid_ns, times[1]))
    bar["start_ns"], bar["end_mid_ns"] = times
    bar["instrument"] = instrument
    bar["next"] = first_slot[instrument]
    first_slot[instrument] = slots.free
    bar["count"], bar["first_offset"] = 0, trades.offset[trade]
    bar["open_event_ns"] = bar["close_event_ns"] = trades.event_ns[trade]
    bar["open_rank"] = bar["close_rank"] = rank
    bar["open"] = bar["high"] = bar["low"] = bar["close"] = trades.price[trade]
    bar["volume"] = bar["notional"] = bar["buy_volume"] = bar["buy_notional"] = 0.0
    bar["volume_error"] = bar["notional_error"] = 0.0
    bar["buy_volume_error"] = bar["buy_notional_error"] = 0.0
    return left


@inlined
def kahan_sum(total: float, error: float, term: float) -> tuple[float, float]:
    """Add a term by Kahan summation (1965): return the sum, and its error for the next call."""
    term -= error
    more = total + term
    return more, (more - total) - term


@inlined
def add_trade(bar: Any, trades: Trades, trade: int, rank: int) -> None:
    """Add a trade to its bar; `rank` orders trades of one event time, those of one rank the log."""
    event_ns, price, size = trades.event_ns[trade], trades.price[trade], trades.size[trade]
    opened_ns, closed_ns = bar["open_event_ns"], bar["close_event_ns"]
    if event_ns < opened_ns or (event_ns == opened_ns and rank < bar["open_rank"]):
        bar["open_event_ns"], bar["open_rank"], bar["open"] = event_ns, rank, price
    if event_ns > closed_ns or (event_ns == closed_ns and rank >= bar["close_rank"]):
        bar["close_event_ns"], bar["close_rank"], bar["close"] = event_ns, rank, price
    bar["high"], bar["low"] = max(bar["high"], price), min(bar["low"], price)
    bar["count"] += trades.counts[trade]
    bar["last_offset"] = trades.offset[trade]
    value = price * size
    bar["volume"], bar["volume_error"] = kahan_sum(bar["volume"], bar["volume_error"], size)
    bar["notional"], bar["notional_error"] = kahan_sum(
        bar["notional"], bar["notional_error"], value
    )
    if trades.aggressor[trade] == BUY:
        bar["buy_volume"], bar["buy_volume_error"] = kahan_sum(
            bar["buy_volume"], bar["buy_volume_error"], size
        )
        bar["buy_notional"], bar["buy_notional_error"] = kahan_sum(
            bar["buy_notional"], bar["buy_notional_error"], value
        )


@inlined
def ended_slots(
    bars: Rows, first_slot: Ints, ended: Ints, watermark_mid_ns: int
) -> tuple[int, int]:
    """Write the slots of ended bars in the order of (start, instrument).

    Returns how many there are, and the first end of the bars that stay open.
    """
    count, first_end_mid_ns = 0, NEVER_MID_NS
    for first in first_slot:  # by instrument: bars with one start are in their order already
        slot = first
        while slot != NONE:
            start_ns = bars[slot]["start_ns"]
            if bars[slot]["end_mid_ns"] > watermark_mid_ns:
                first_end_mid_ns = min(first_end_mid_ns, bars[slot]["end_mid_ns"])
            else:
                place = count
                while place > 0 and bars[ended[place - 1]]["start_ns"] > start_ns:
                    ended[place] = ended[place - 1]
                    place -= 1
                ended[place] = slot
                count += 1
            slot = bars[slot]["next"]
    return count, first_end_mid_ns


@inlined
def unlink(bars: Rows, first_slot: Ints, slot: int) -> None:
    """Take a bar out of its instrument's chain."""
    bar = bars[slot]
    before = first_slot[bar["instrument"]]
    if before == slot:
        first_slot[bar["instrument"]] = bar["next"]
        return
    while bars[before]["next"] != slot:
        before = bars[before]["next"]
    bars[before]["next"] = bar["next"]


@inlined
def close_bars(  # noqa: PLR0913, PLR0917
    bars: Rows, first_slot: Ints, slots: Slots, ended: Ints, closed: Rows, begin: int,
    watermark_mid_ns: int, place: tuple[int, int],
) -> tuple[Slots, int]:  # fmt: skip
    """Move the bars that a record, with this log time and offset, has ended to `closed`.

    They are written from row `begin` on. Returns the slots left, and how many bars.
    """
    count, first_end_mid_ns = ended_slots(bars, first_slot, ended, watermark_mid_ns)
    free = slots.free
    for number in range(count):
        slot, row = ended[number], closed[begin + number]
        unlink(bars, first_slot, slot)
        closed[begin + number] = bars[slot]
        row["log_ns"], row["offset"] = place
        bars[slot]["start_ns"] = NONE
        bars[slot]["next"] = free
        free = slot
    return Slots(free, slots.used - count, first_end_mid_ns), count


@inlined
def load_scalars(state: Any) -> tuple[Clock, Slots]:
    """Return the values of a row of SCALARS."""
    clock = Clock(
        state["newest_ns"], state["newest_log_ns"], state["watermark_mid_ns"], state["first_ns"]
    )
    return clock, Slots(state["free"], state["used"], state["first_end_mid_ns"])


@inlined
def store_scalars(state: Any, clock: Clock, slots: Slots) -> None:
    """Write a row of SCALARS."""
    state["newest_ns"], state["newest_log_ns"] = clock.newest_ns, clock.newest_log_ns
    state["watermark_mid_ns"], state["first_ns"] = clock.watermark_mid_ns, clock.first_ns
    state["free"], state["used"] = slots.free, slots.used
    state["first_end_mid_ns"] = slots.first_end_mid_ns


@compiled
@by_numbers
def fold_rows(  # noqa: PLR0913, PLR0917  # a kernel takes plain arrays
    scalars: Scalars, first_slot: Written[Ints], bars: BarRows, ended: Written[Ints],
    closed: BarRows, cursor: Cursor, first_offset: int, log_times_ns: Ints, status: Ints,
    columns: TradeColumns, width: tuple[int, int, Ints, Ints], lateness_ns: int, by_id: bool,
) -> None:  # fmt: skip
    """Fold records in log order, until done, or no slot is free, or `closed` may become full.

    `log_times_ns`, `status`: (records,), the first of them at `first_offset`. `scalars`: (1,) of
    SCALARS. `bars`, `closed`: rows of BAR. `ended`: (bars,), room to work in. `cursor`: (1,) of
    CURSOR. `columns`: the fields of `Trades`, as a plain tuple. `width`: see `interval`. `by_id`:
    of one event time the larger trade id is the later; else the log decides.
    """
    (clock, slots), trades = load_scalars(scalars[0]), Trades(*columns)
    record, trade, count = cursor[0]["record"], cursor[0]["trade"], cursor[0]["closed"]
    start_ns, end_mid_ns, lag_ns = 0, -MIDDLE_NS, MIDDLE_NS + lateness_ns  # of the last trade's bar
    records, traded, room = len(status), len(trades.offset), len(closed)
    while record < records and slots.free != NONE and count + slots.used < room:
        offset, log_ns = first_offset + record, log_times_ns[record]
        if trade == traded or trades.offset[trade] != offset:
            record += 1
            if status[record - 1] != HEARTBEAT:
                continue
            clock = clock_after_silence(clock, log_ns, lag_ns)
        else:
            trade += 1
            if trades.verdict[trade - 1] != ACCEPTED:
                continue
            event_ns = trades.event_ns[trade - 1]
            if event_ns < start_ns or event_ns - MIDDLE_NS >= end_mid_ns:
                start_ns, end_mid_ns = interval(width, event_ns)
            if clock.newest_ns == NONE:
                clock = Clock(NONE, NONE, event_ns - lag_ns, event_ns)
            if end_mid_ns <= clock.watermark_mid_ns:
                trades.verdict[trade - 1] = LATE
            else:
                slot = find_bar(bars, first_slot[trades.instrument[trade - 1]], start_ns)
                rank = trades.trade_id[trade - 1] if by_id else 0
                if slot == NONE:
                    slot, times = slots.free, (start_ns, end_mid_ns)
                    slots = open_bar(bars, first_slot, slots, trades, trade - 1, times, rank)
                add_trade(bars[slot], trades, trade - 1, rank)
            clock = clock_after_trade(clock, event_ns, log_ns, lag_ns)
        if slots.first_end_mid_ns <= clock.watermark_mid_ns:
            place = log_ns, offset
            slots, closings = close_bars(
                bars, first_slot, slots, ended, closed, count, clock.watermark_mid_ns, place
            )
            count += closings
    cursor[0]["record"], cursor[0]["trade"], cursor[0]["closed"] = record, trade, count
    store_scalars(scalars[0], clock, slots)
