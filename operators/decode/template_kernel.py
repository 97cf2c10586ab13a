"""A frame read along a template: literals are compared a word at a time, values read between them.

    template   {"e":"trade","E":  <integer>  ,"s":"  <symbol>  ","t":  <integer>  ,"p":"  ..

A frame fits if nothing else is in it, to the last byte. Nothing is read further than PADDING behind
a frame, and no zero byte is stepped over.
"""

# As in kernel.py:
# mypy: disable-error-code="no-untyped-def,no-untyped-call,return-value,arg-type"
# ruff: noqa: PLR0911, PLR0913, PLR0917

import numpy as np

from tapeflow.engine.compiled import called, inlined
from tapeflow.engine.memory import load, store
from tapeflow.operators.decode.byte_kernel import text_end
from tapeflow.operators.decode.kernel import (
    BAD,
    CHANNEL,
    CHANNEL_AT,
    ENTRY_WORDS,
    FRAME_AT,
    NO_FIT,
    U0,
    cell,
    integer,
    moment,
    read_boolean,
    read_choice,
    row_of,
    value_end,
    word,
)  # fmt: skip
from tapeflow.operators.decode.template_layout import (
    BOOLEAN,
    CHOICE,
    DECIMAL,
    FILL_COUNT,
    FILLS_AT,
    INTEGER,
    LITERAL,
    LITERAL_BYTES,
    LITERAL_MASK,
    NOTHING,
    PART_COUNT,
    PART_WORDS,
    PARTS_AT,
    PLAN_AT,
    RFC3339,
    ROW_COUNT,
    SYMBOL,
    TEXT,
    TIME_IN_MS,
    VALUE,
    VALUE_A,
    VALUE_COLUMN,
)  # fmt: skip
from tapeflow.operators.decode.template_values import (
    decimal_in_quotes,
    expected_integer,
    expected_text,
    expected_time,
    symbol_in_quotes,
    time_in_ms,
)  # fmt: skip


@inlined
def template_value(p, end, part, scratch, tables):
    """Read what a part reads behind its literal: the value as an int64, and its end."""
    kind, value, after = word(part, VALUE), np.int64(0), BAD
    if kind == DECIMAL:
        return decimal_in_quotes(p, word(part, VALUE_A))
    if kind == INTEGER:
        value, after = expected_integer(p, part)
        return (value, after) if after != BAD else integer(p)
    if kind == TIME_IN_MS:
        return time_in_ms(p, part)
    if kind == SYMBOL:
        return symbol_in_quotes(p, tables)
    if kind == TEXT:
        after = expected_text(p, part)
        return value, after if after != BAD else text_end(p)
    if kind == BOOLEAN:
        return read_boolean(p, row_of(tables.entries, word(part, VALUE_A), ENTRY_WORDS))
    if kind == RFC3339:
        value, after = expected_time(p, part, scratch)
        return (value, after) if after != BAD else moment(p, scratch)
    if kind == CHOICE:
        return read_choice(
            p, row_of(tables.entries, word(part, VALUE_A), ENTRY_WORDS), tables.choices
        )
    if kind == NOTHING:
        return value, p
    return value, value_end(p, end)  # ANYTHING


@inlined
def literal_differs(p, part):
    """Compare the literal of a part: zero where the bytes at `p` are the same."""
    literal, mask = part + LITERAL * 8, part + LITERAL_MASK * 8
    differs = (load(p) ^ load(literal)) & load(mask)
    if load(mask + 8) != U0:
        differs |= (load(p + 8) ^ load(literal + 8)) & load(mask + 8)
        differs |= (load(p + 16) ^ load(literal + 16)) & load(mask + 16)
    return differs


@called
def read_along(template, p, end, frame, row, output, scratch, tables):
    """Read a frame along a template into `row`; return the row after its last, or NO_FIT."""
    rows = word(template, ROW_COUNT)
    if row + rows > output.rows_max:
        return NO_FIT
    fill = template + FILLS_AT * 8
    for _ in range(word(template, FILL_COUNT)):
        store(cell(output, word(fill, 0), row), word(fill, 1))
        fill += 16
    part = template + PARTS_AT * 8
    for _ in range(word(template, PART_COUNT)):
        if literal_differs(p, part) != U0:
            return NO_FIT
        value, p = template_value(p + word(part, LITERAL_BYTES), end, part, scratch, tables)
        if p == BAD:
            return NO_FIT
        store(cell(output, word(part, VALUE_COLUMN), row), value)
        part += PART_WORDS * 8
    if p != end:
        return NO_FIT
    if rows:
        store(cell(output, FRAME_AT, row), frame)
        store(cell(output, CHANNEL_AT, row), word(word(template, PLAN_AT), CHANNEL))
    return row + rows
