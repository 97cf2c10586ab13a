"""The fold behind `bars.py`, over columns: watermark, lateness, open bars, closings.

Open bars are rows of two tables, chained by instrument (an instrument has more than one open while
trades come out of order); free rows are chained too. Sums are Kahan's: exact to the last digit that
an exchange prints.
"""

import numpy as np

from tapeflow.engine.compiled import compiled
from tapeflow.schemas.columns import Floats, Ints
from tapeflow.schemas.market import ACCEPTED, BUY, HEARTBEAT, LATE

NONE = -1
# clock: what is known of time, and where the chain of free rows begins
NEWEST, NEWEST_LOG, WATERMARK, FIRST, FREE, OLDEST, USED = range(7)
# columns of the open bars, and of the closed ones
START, INSTRUMENT, NEXT, OPEN_EVENT, CLOSE_EVENT, COUNT, FIRST_OFFSET, LAST_OFFSET = range(8)
CLOSED_LOG, CLOSED_OFFSET = NEXT, OPEN_EVENT  # written over what a closed bar has no use for
OPEN, HIGH, LOW, CLOSE, VOLUME, NOTIONAL, BUY_VOLUME, BUY_NOTIONAL, CARRY = range(9)
WIDTH_INTS, WIDTH_FLOATS = 8, 12
LAST_NS = 2**63 - 1
# cursor: how far a call has come
RECORD, ROW, CLOSED = range(3)


@compiled
def fold_rows(  # noqa: PLR0912, PLR0913, PLR0915, PLR0917  # a kernel is one loop over plain arrays
    clock: Ints,
    heads: Ints,
    ints: Ints,
    floats: Floats,
    closed_ints: Ints,
    closed_floats: Floats,
    lo: int,
    log_times: Ints,
    status: Ints,
    offsets: Ints,
    instruments: Ints,
    aggressors: Ints,
    events: Ints,
    verdicts: Ints,
    prices: Floats,
    sizes: Floats,
    cursor: Ints,
    width: int,
    lateness: int,
) -> None:
    """Fold records in log order, until done, or no row is free, or closings may not find room.

    The first record is at offset `lo`; log_times and status are of records, the columns behind them
    of trades, whose verdicts may change to LATE.
    """
    record, row, closed = cursor[RECORD], cursor[ROW], cursor[CLOSED]
    newest, newest_log = clock[NEWEST], clock[NEWEST_LOG]
    watermark, first = clock[WATERMARK], clock[FIRST]
    free, oldest, used = clock[FREE], clock[OLDEST], clock[USED]
    while record < len(status) and free != NONE and closed + used < len(closed_ints):
        offset, log_ns = lo + record, log_times[record]
        if row == len(offsets) or offsets[row] != offset:
            record += 1
            if status[record - 1] != HEARTBEAT or newest == NONE:
                continue
            passed = min(log_ns - newest_log, LAST_NS - newest)
            watermark = max(watermark, newest + passed - lateness)
        else:
            this = row
            row += 1
            if verdicts[this] != ACCEPTED:
                continue
            event_ns = events[this]
            start = event_ns - event_ns % width
            if newest == NONE:
                first = event_ns
                watermark = event_ns - lateness
            if watermark - start >= width:
                verdicts[this] = LATE
            else:
                # Which open bar is it in?
                instrument = instruments[this]
                slot = heads[instrument]
                while slot != NONE and ints[slot, START] != start:
                    slot = ints[slot, NEXT]
                price, size = prices[this], sizes[this]
                if slot == NONE:
                    slot = free
                    free = ints[slot, NEXT]
                    used += 1
                    oldest = min(oldest, start)
                    ints[slot, START] = start
                    ints[slot, INSTRUMENT] = instrument
                    ints[slot, NEXT] = heads[instrument]
                    heads[instrument] = slot
                    ints[slot, OPEN_EVENT] = event_ns
                    ints[slot, CLOSE_EVENT] = event_ns
                    ints[slot, COUNT] = 0
                    ints[slot, FIRST_OFFSET] = offset
                    floats[slot, :] = 0.0
                    floats[slot, OPEN] = price
                    floats[slot, HIGH] = price
                    floats[slot, LOW] = price
                # Grow it.
                if event_ns < ints[slot, OPEN_EVENT]:
                    ints[slot, OPEN_EVENT] = event_ns
                    floats[slot, OPEN] = price
                if event_ns >= ints[slot, CLOSE_EVENT]:
                    ints[slot, CLOSE_EVENT] = event_ns
                    floats[slot, CLOSE] = price
                floats[slot, HIGH] = max(floats[slot, HIGH], price)
                floats[slot, LOW] = min(floats[slot, LOW], price)
                ints[slot, COUNT] += 1
                ints[slot, LAST_OFFSET] = offset
                for column in range(4 if aggressors[this] == BUY else 2):
                    term = size if column % 2 == 0 else price * size
                    term -= floats[slot, CARRY + column]
                    total = floats[slot, VOLUME + column] + term
                    floats[slot, CARRY + column] = (total - floats[slot, VOLUME + column]) - term
                    floats[slot, VOLUME + column] = total
            if event_ns > newest:
                newest = event_ns
                newest_log = log_ns
            watermark = max(watermark, newest - lateness)
        if used and watermark - oldest >= width:
            # Close what has ended, in the order of (start, instrument): by instrument as they are
            # met, so that the sort below has nothing to move where all of them start together.
            ending = np.empty(used, np.int64)
            count = 0
            eldest = LAST_NS
            for head in heads:
                slot = head
                while slot != NONE:
                    if watermark - ints[slot, START] < width:
                        eldest = min(eldest, ints[slot, START])
                    else:
                        place = count
                        while place > 0 and ints[ending[place - 1], START] > ints[slot, START]:
                            ending[place] = ending[place - 1]
                            place -= 1
                        ending[place] = slot
                        count += 1
                    slot = ints[slot, NEXT]
            oldest = eldest
            for place in range(count):
                slot = ending[place]
                # Take it out of its instrument's chain.
                instrument = ints[slot, INSTRUMENT]
                if heads[instrument] == slot:
                    heads[instrument] = ints[slot, NEXT]
                else:
                    before = heads[instrument]
                    while ints[before, NEXT] != slot:
                        before = ints[before, NEXT]
                    ints[before, NEXT] = ints[slot, NEXT]
                closed_ints[closed, :] = ints[slot, :]
                closed_floats[closed, :] = floats[slot, :]
                closed_ints[closed, CLOSED_LOG] = log_ns
                closed_ints[closed, CLOSED_OFFSET] = offset
                closed += 1
                ints[slot, START] = NONE
                ints[slot, NEXT] = free
                free = slot
                used -= 1
    cursor[RECORD], cursor[ROW], cursor[CLOSED] = record, row, closed
    clock[NEWEST], clock[NEWEST_LOG] = newest, newest_log
    clock[WATERMARK], clock[FIRST] = watermark, first
    clock[FREE], clock[OLDEST], clock[USED] = free, oldest, used
