"""The loop of `judge.py`: ranges of ids that are missing, by instrument.

    ids   7 8 9 13 14     ranges   [10 .. 12]       each with the event times on both sides
          ... 11                   [10] [12]

An instrument holds at most RANGES_MAX of them: beyond that the two oldest become one, whose
`missing` is less than its ids. An id that is smaller than the newest, but of a later time, begins a
new numbering.
"""

from typing import Any

from tapeflow.engine.compiled import by_numbers, compiled, inlined
from tapeflow.operators.sequence.arguments import BreakRows, Ranges, Seen, TradeColumns
from tapeflow.operators.sequence.layout import NONE, RANGES_MAX, Rows
from tapeflow.schemas.columns import Bools, Ints, Written
from tapeflow.schemas.decimals import PRICE_MAX, PRICE_MIN, SIZE_MAX, SIZE_MIN
from tapeflow.schemas.gaps import FILLED, FOUND, NO_INSTRUMENT, PAUSED, RENUMBERED
from tapeflow.schemas.market import ACCEPTED, AHEAD, DUPLICATE, HISTORICAL, OFF_MARKET
from tapeflow.schemas.time import MAX_NS

JUMP_MAX = 1_000_000_000  # ids: a larger one is no gap, but another numbering


@inlined
def find_range(ranges: Rows, held: Ints, instrument: int, trade_id: int) -> int:
    """Return the number of the range that an id is in, or NONE."""
    for number in range(held[instrument]):
        row = ranges[instrument, number]
        if row["first_id"] <= trade_id <= row["last_id"]:
            return number
    return NONE


@inlined
def add_range(ranges: Rows, held: Ints, found: Any) -> None:
    """Add the range of a break; where there is no room the two oldest become one."""
    instrument = found["instrument"]
    count = held[instrument]
    if count == RANGES_MAX:
        oldest, second = ranges[instrument, 0], ranges[instrument, 1]
        oldest["last_id"] = second["last_id"]
        oldest["missing"] += second["missing"]
        for number in range(2, RANGES_MAX):
            ranges[instrument, number - 1] = ranges[instrument, number]
        count -= 1
    row = ranges[instrument, count]
    row["first_id"], row["last_id"] = found["first_id"], found["last_id"]
    row["missing"] = found["last_id"] - found["first_id"] + 1
    held[instrument] = count + 1


@inlined
def fill_range(ranges: Rows, held: Ints, number: int, found: Any) -> None:
    """Take the id of a break, which has come, out of range `number` of its instrument."""
    instrument, trade_id = found["instrument"], found["first_id"]
    count, row = held[instrument], ranges[instrument, number]
    exact = row["missing"] == row["last_id"] - row["first_id"] + 1
    row["missing"] -= 1
    if row["missing"] == 0:
        for later in range(number + 1, count):
            ranges[instrument, later - 1] = ranges[instrument, later]
        held[instrument] = count - 1
    elif exact and trade_id == row["first_id"]:
        row["first_id"] = trade_id + 1
    elif exact and trade_id == row["last_id"]:
        row["last_id"] = trade_id - 1
    elif exact and count < RANGES_MAX:
        for later in range(count, number, -1):
            ranges[instrument, later] = ranges[instrument, later - 1]
        held[instrument] = count + 1
        above = ranges[instrument, number + 1]
        above["missing"], row["missing"] = above["last_id"] - trade_id, trade_id - row["first_id"]
        above["first_id"], row["last_id"] = trade_id + 1, trade_id - 1


@inlined
def judge_history(seen: Any, number: int, trade_id: int) -> int:
    """Return the verdict on an old trade; `number`: of the missing range that its id is in."""
    if seen["newest_id"] == NONE or (trade_id < seen["first_id"] and number == NONE):
        return HISTORICAL  # from before the first trade of its instrument
    return ACCEPTED if trade_id > seen["newest_id"] or number != NONE else DUPLICATE


@inlined
def is_in_range(price: float, size: float) -> bool:
    """Return whether sums of such prices and sizes, and their products, are numbers of a bar."""
    return PRICE_MIN <= price < PRICE_MAX and SIZE_MIN <= size < SIZE_MAX


@inlined
def write_break(row: Any, place: Any, kind: int, instrument: int, ids: Any, times: Any) -> None:
    """Write a row of BREAK; `place`: offset and log time."""
    row["offset"], row["log_ns"] = place
    row["kind"], row["instrument"] = kind, instrument
    row["first_id"], row["last_id"] = ids
    row["before_ns"], row["after_ns"] = times


@inlined
def break_kind(seen: Any, number: int, trade_id: int, event_ns: int, disorder_ns: int) -> int:
    """Return what an id is that does not follow the newest one, or NONE."""
    if seen["newest_id"] == NONE:
        return NONE
    if trade_id > seen["newest_id"]:
        return FOUND if trade_id - seen["newest_id"] <= JUMP_MAX else RENUMBERED
    if event_ns - seen["event_ns"] > disorder_ns:  # a smaller id of a later time
        return RENUMBERED
    return NONE if number == NONE else FILLED


@inlined
def note_id(  # noqa: PLR0913, PLR0917
    seen: Any, ranges: Rows, held: Ints, row: Any, place: Any, ids: Any, event_ns: int,
    disorder_ns: int,
) -> bool:  # fmt: skip
    """Note an id that does not follow the newest one; return whether `row` is a break by it."""
    instrument, trade_id = ids
    number = find_range(ranges, held, instrument, trade_id)
    kind = break_kind(seen, number, trade_id, event_ns, disorder_ns)
    newest_id, times = seen["newest_id"], (seen["event_ns"], event_ns)
    if kind == FILLED:
        write_break(row, place, kind, instrument, (trade_id, trade_id), (event_ns, event_ns))
        fill_range(ranges, held, number, row)
        return True
    if kind == NONE and newest_id != NONE:
        return False  # seen long ago, or before the first
    if kind == FOUND:
        write_break(row, place, kind, instrument, (newest_id + 1, trade_id - 1), times)
        add_range(ranges, held, row)
    elif kind == RENUMBERED:
        write_break(row, place, kind, instrument, (newest_id, trade_id), times)
        held[instrument] = 0
    if kind != FOUND:
        seen["first_id"] = trade_id
    seen["newest_id"], seen["event_ns"] = trade_id, event_ns
    return kind != NONE


@inlined
def write_pause(row: Any, place: Any, newest_ns: int, newest_log_ns: int, last_log_ns: int) -> None:
    """Write the break of a pause that a record ends; event time has gone on as log time has."""
    before_ns = newest_ns + min(last_log_ns - newest_log_ns, MAX_NS - newest_ns)
    times = (before_ns, before_ns + min(place[1] - last_log_ns, MAX_NS - before_ns))
    write_break(row, place, PAUSED, NO_INSTRUMENT, (NONE, NONE), times)


@inlined
def judge_values(is_ahead: bool, fits: bool) -> int:
    """Return the verdict on a trade that is new, by its stamp, and by its price and size."""
    if is_ahead:
        return AHEAD
    return ACCEPTED if fits else OFF_MARKET


@compiled
@by_numbers
def find_breaks(  # noqa: PLR0913, PLR0917  # a kernel takes plain arrays
    seen: Seen, ranges: Ranges, held: Written[Ints], clock: Written[Ints], first_offset: int,
    log_times_ns: Ints, columns: TradeColumns, numbered: Bools, limits: tuple[int, int, int],
    any_price: bool, breaks: BreakRows,
) -> int:  # fmt: skip
    """Judge trades by stamp and id in log order; return how many `breaks` were written.

    `breaks` has room for one by each record and trade. The others: see `JudgeTrades` and `State`.
    """
    offset, instrument, event_ns, trade_id, verdict, price, size = columns
    ahead_ns, pause_ns, disorder_ns = limits
    newest_ns, newest_log_ns, last_log_ns, trade, count = clock[0], clock[1], clock[2], 0, 0
    for record in range(len(log_times_ns)):
        log_ns, place = log_times_ns[record], (first_offset + record, log_times_ns[record])
        if log_ns - last_log_ns > pause_ns and newest_ns != NONE:
            write_pause(breaks[count], place, newest_ns, newest_log_ns, last_log_ns)
            count += 1
        last_log_ns = log_ns
        while trade < len(offset) and offset[trade] == first_offset + record:
            number, mark, own = instrument[trade], verdict[trade], seen[instrument[trade]]
            if mark == HISTORICAL and numbered[number]:
                within = find_range(ranges, held, number, trade_id[trade])
                mark = judge_history(own, within, trade_id[trade])
            if mark == ACCEPTED:
                fits = any_price or is_in_range(price[trade], size[trade])
                mark = judge_values(event_ns[trade] - log_ns > ahead_ns, fits)
            verdict[trade] = mark
            if mark == ACCEPTED and event_ns[trade] > newest_ns:
                newest_ns, newest_log_ns = event_ns[trade], log_ns
            if mark not in (DUPLICATE, HISTORICAL) and numbered[number]:
                at_ns = log_ns if mark == AHEAD else event_ns[trade]
                if trade_id[trade] == own["newest_id"] + 1 and own["newest_id"] != NONE:
                    own["newest_id"], own["event_ns"] = trade_id[trade], at_ns
                else:
                    limit_ns = disorder_ns if mark == ACCEPTED else MAX_NS
                    ids = (number, trade_id[trade])
                    count += note_id(own, ranges, held, breaks[count], place, ids, at_ns, limit_ns)
            trade += 1
    clock[0], clock[1], clock[2] = newest_ns, newest_log_ns, last_log_ns
    return count
