"""The fold behind `bars.py`, over columns: watermark, lateness, open bars, closings.

Open bars are rows of two tables, chained by instrument (an instrument has more than one open while
trades come out of order); free rows are chained too. Sums are Kahan's: exact to the last digit that
an exchange prints.
"""

import numpy as np

from operators.compiled import compiled
from schemas.market import ACCEPTED, BUY, LATE, Floats, Ints

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
ROW, BEAT, CLOSED = range(3)


@compiled
def fold_rows(  # noqa: PLR0912, PLR0913, PLR0915, PLR0917  # a kernel is one loop over plain arrays
    clock: Ints,
    heads: Ints,
    ints: Ints,
    floats: Floats,
    closed_ints: Ints,
    closed_floats: Floats,
    offsets: Ints,
    times: Ints,
    instruments: Ints,
    aggressors: Ints,
    events: Ints,
    verdicts: Ints,
    prices: Floats,
    sizes: Floats,
    beats: Ints,
    cursor: Ints,
    width: int,
    lateness: int,
) -> None:
    """Fold trades and heartbeats in log order, until done, or no row is free, or closings fill up.

    Columns of the trades, whose verdicts may change to LATE; beats: (2, m) offset, log_ns.
    """
    n, m = len(offsets), beats.shape[1]
    while cursor[ROW] < n or cursor[BEAT] < m:
        if clock[FREE] == NONE or cursor[CLOSED] + clock[USED] + 1 > len(closed_ints):
            return
        row, beat = cursor[ROW], cursor[BEAT]
        if row == n or (beat < m and beats[0, beat] < offsets[row]):
            offset, log_ns = beats[0, beat], beats[1, beat]
            cursor[BEAT] += 1
            if clock[NEWEST] != NONE:
                passed = min(log_ns - clock[NEWEST_LOG], LAST_NS - clock[NEWEST])
                clock[WATERMARK] = max(clock[WATERMARK], clock[NEWEST] + passed - lateness)
        else:
            offset, log_ns, event_ns = offsets[row], times[row], events[row]
            cursor[ROW] += 1
            if verdicts[row] != ACCEPTED:
                continue
            start = event_ns - event_ns % width
            if clock[NEWEST] == NONE:
                clock[FIRST] = event_ns
                clock[WATERMARK] = event_ns - lateness
            if clock[WATERMARK] - start >= width:
                verdicts[row] = LATE
            else:
                # Which open bar is it in?
                instrument = instruments[row]
                slot = heads[instrument]
                while slot != NONE and ints[slot, START] != start:
                    slot = ints[slot, NEXT]
                price, size = prices[row], sizes[row]
                if slot == NONE:
                    slot = clock[FREE]
                    clock[FREE] = ints[slot, NEXT]
                    clock[USED] += 1
                    clock[OLDEST] = min(clock[OLDEST], start)
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
                for column in range(4 if aggressors[row] == BUY else 2):
                    term = size if column % 2 == 0 else price * size
                    term -= floats[slot, CARRY + column]
                    total = floats[slot, VOLUME + column] + term
                    floats[slot, CARRY + column] = (total - floats[slot, VOLUME + column]) - term
                    floats[slot, VOLUME + column] = total
            if event_ns > clock[NEWEST]:
                clock[NEWEST] = event_ns
                clock[NEWEST_LOG] = log_ns
            clock[WATERMARK] = max(clock[WATERMARK], clock[NEWEST] - lateness)
        if clock[USED] and clock[WATERMARK] - clock[OLDEST] >= width:
            # Close what has ended, in the order of (start, instrument): by instrument as they are
            # met, so that the sort below has nothing to move where all of them start together.
            ending = np.empty(clock[USED], np.int64)
            count = 0
            oldest = LAST_NS
            for head in heads:
                slot = head
                while slot != NONE:
                    if clock[WATERMARK] - ints[slot, START] < width:
                        oldest = min(oldest, ints[slot, START])
                    else:
                        place = count
                        while place > 0 and ints[ending[place - 1], START] > ints[slot, START]:
                            ending[place] = ending[place - 1]
                            place -= 1
                        ending[place] = slot
                        count += 1
                    slot = ints[slot, NEXT]
            clock[OLDEST] = oldest
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
                closed = cursor[CLOSED]
                cursor[CLOSED] += 1
                closed_ints[closed, :] = ints[slot, :]
                closed_floats[closed, :] = floats[slot, :]
                closed_ints[closed, CLOSED_LOG] = log_ns
                closed_ints[closed, CLOSED_OFFSET] = offset
                ints[slot, START] = NONE
                ints[slot, NEXT] = clock[FREE]
                clock[FREE] = slot
                clock[USED] -= 1
