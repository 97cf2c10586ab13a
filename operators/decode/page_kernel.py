"""The compiled scanner: reads a page of frames along templates, and along plans where none fits.

    for each frame:  along the template that fitted last         most frames of a page
                     along that of a channel that begins so      -> rows
                     along a plan (kernel.py)                    -> rows, or SLOW_PATH

All of them read a frame alike, so which one does it shows in no result. `templates.py` makes the
templates, of frames that missed them.
"""

# As in kernel.py:
# mypy: disable-error-code="no-untyped-def,no-untyped-call,return-value,arg-type"
# ruff: noqa: PLR0913, PLR0917, PLR1714, SIM109

import numpy as np

from tapeflow.engine.compiled import called, compiled, inlined
from tapeflow.engine.memory import store
from tapeflow.operators.decode.kernel import (
    HEARTBEAT,
    LEVELS,
    NO_FIT,
    PLAN_WORDS,
    SLOW_PATH,
    Output,
    Tables,
    accept,
    guess_address,
    number,
    read_by_any,
    word,
)  # fmt: skip
from tapeflow.operators.decode.template_kernel import read_along
from tapeflow.operators.decode.template_layout import (
    LAST,
    MISSED_FRAME,
    MISSED_PLAN,
    MISSES,
    NO_TEMPLATE,
    PLAN_AT,
    TEMPLATE_OF,
)  # fmt: skip
from tapeflow.schemas.columns import Bytes, Ints, Ints2, Written


@called
def read_by_templates(p, end, guess_at, frame, row, output, scratch, memory, tables):
    """Read a frame along the template of the channel that begins so, or of all plans.

    Returns the plan and the row after its last, NO_FIT if none fits; sets LAST where a frame fits.
    """
    last = word(memory, LAST)
    other = word(memory, TEMPLATE_OF + number(guess_at))
    if other > 0 and other != last:
        after = read_along(other, p, end, frame, row, output, scratch, tables)
        if after >= 0:
            store(memory + LAST * 8, other)
            return word(other, PLAN_AT), after
    plan, after = read_by_any(p, end, guess_at, frame, row, output, scratch, tables)
    if after >= 0:
        plan_number = (plan - tables.plans) // (PLAN_WORDS * 8)
        own = word(memory, TEMPLATE_OF + plan_number)
        was_tried = own == last or own == other
        if own == NO_TEMPLATE or (own > 0 and was_tried):
            store(memory + MISSES * 8, word(memory, MISSES) + 1)
            store(memory + MISSED_FRAME * 8, frame)
            store(memory + MISSED_PLAN * 8, plan_number)
    return plan, after


@inlined
def read_frame(p, end, frame, row, output, scratch, memory, tables):
    """Read a frame; return its plan, and the row after its last, NO_FIT if no plan fits."""
    last = word(memory, LAST)
    if last != NO_TEMPLATE:
        after = read_along(last, p, end, frame, row, output, scratch, tables)
        if after >= 0:
            return word(last, PLAN_AT), after
    guess_at = guess_address(p, scratch, tables)
    return read_by_templates(p, end, guess_at, frame, row, output, scratch, memory, tables)


@compiled
def scan(
    page: Bytes, size: int, page_starts: Ints, page_ends: Ints, page_status: Written[Ints],
    page_out: Written[Ints2], thread_scratch: Written[Ints], thread_templates: Written[Ints],
    addresses: tuple[int, int, int, int, int, int, int, int, int],
) -> int:  # fmt: skip
    """Read a page of frames: write their status and the columns of rows; return the number of rows.

    page_out: (columns, rows_max + LEVELS) int64. addresses: of the tables in `plans.ScanTables`,
    then of (frames, 2) int64: channel and instrument of each ignored frame are written there.
    The result is below zero, and the outputs undefined, where a frame is not within `size` bytes.
    """
    data, starts, ends = page.ctypes.data, page_starts.ctypes.data, page_ends.ctypes.data
    all_status, scratch = page_status.ctypes.data, thread_scratch.ctypes.data
    memory = thread_templates.ctypes.data
    columns, width = page_out.shape
    output = Output(np.int64(page_out.ctypes.data), width - LEVELS, width * 8)
    plans, nodes, slots, entries, choices, fills, symbols, limits, ignored = addresses
    plan_count, symbol_mask = word(limits, 0), word(limits, 1)
    tables = Tables(plans, nodes, slots, entries, choices, fills, symbols, plan_count, symbol_mask)
    row = np.int64(0)
    store(memory + MISSES * 8, 0)
    for frame in range(len(page_starts)):
        begin, stop = word(starts, frame), word(ends, frame)
        if begin < 0 or stop < begin or stop > size:
            return np.int64(NO_FIT)
        status = HEARTBEAT
        if begin < stop:
            status = SLOW_PATH
            plan, after = read_frame(
                data + begin, data + stop, frame, row, output, scratch, memory, tables
            )
            if after >= 0:
                status, row = accept(plan, row, after, output, columns, ignored + frame * 16)
        store(all_status + frame * 8, status)
    return row
