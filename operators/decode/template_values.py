"""The values between the literals of a template: those that kernel.py would read, sooner.

Where a value ends depends on its bytes, and nothing behind it can be read before: this chain is
what a frame costs. A value that is as long as that of the sample breaks it, as a right guess does.
What is not as it is expected is read by the functions of kernel.py.
"""

# As in kernel.py:
# mypy: disable-error-code="no-untyped-def,no-untyped-call,return-value,arg-type"

import numpy as np

from tapeflow.engine.compiled import inlined
from tapeflow.engine.memory import bits_of, byte, digit_bits, load, stop_bits, zeros_below
from tapeflow.operators.decode.byte_kernel import (
    BLOCK,
    first_digits,
    number_of,
    other_bytes,
    text_end,
)  # fmt: skip
from tapeflow.operators.decode.kernel import (
    BAD,
    INT_POWERS,
    IS_DECIMAL_OR_NONE,
    IS_SIGNED_OR_NONE,
    LETTER_Z,
    LONGEST,
    MILLI,
    MILLIS_MAX,
    MINUS,
    MINUTE,
    NAN,
    POINT,
    POWERS,
    SECOND,
    U0,
    U1,
    U,
    decimal,
    instrument_of,
    read_epoch,
    text_words,
    two_digits,
    word,
)  # fmt: skip
from tapeflow.operators.decode.template_layout import MASK, POWER, SHIFT, SIZE, STOP, VALUE_A

FIRST_16, LOWEST_BYTE, ASCII_ZERO = U(0xFFFF), U(0xFF), U(0x30)
COLON_AND_POINT, THEIR_BYTES = U(0x2E0000003A), U(0xFF000000FF)  # of `:37.121358Z`


# --- values as they are expected: value and end, BAD where they are not ----------------------


@inlined
def expected_integer(p, part):
    """Read an integer of SIZE digits, up to 16."""
    w, size = load(p), word(part, SIZE)
    if w & LOWEST_BYTE == ASCII_ZERO:
        return np.int64(0), BAD
    if size <= 8:
        if other_bytes(w) & load(part + MASK * 8) != load(part + STOP * 8):
            return np.int64(0), BAD
        return number_of(w << load(part + SHIFT * 8)), p + size
    v = load(p + 8)
    if other_bytes(w) | ((other_bytes(v) & load(part + MASK * 8)) ^ load(part + STOP * 8)) != U0:
        return np.int64(0), BAD
    return number_of(w) * word(part, POWER) + number_of(v << load(part + SHIFT * 8)), p + size


@inlined
def expected_text(p, part):
    """Return the end of a text of SIZE bytes."""
    last, found = p + word(part, SIZE) // BLOCK * BLOCK, U0
    for at in range(p, last, BLOCK):
        found |= stop_bits(at)
    if found | ((stop_bits(last) & load(part + MASK * 8)) ^ load(part + STOP * 8)) != U0:
        return BAD
    return p + word(part, SIZE)


@inlined
def expected_time(p, part, scratch):
    """Read a time of the minute last read with SIZE digits behind the point, up to 7."""
    known, v, second = scratch + MINUTE * 8, load(p + 20), two_digits(p + 17)
    if load(p) != load(known) or load(p + 8) != load(known + 8) or second < 0 or second > 59:
        return np.int64(0), BAD
    differs = (load(p + 16) & THEIR_BYTES) ^ COLON_AND_POINT
    if differs | ((other_bytes(v) & load(part + MASK * 8)) ^ load(part + STOP * 8)) != U0:
        return np.int64(0), BAD
    after = p + 20 + word(part, SIZE)
    if byte(after) != LETTER_Z:
        return np.int64(0), BAD
    fraction = number_of(v << load(part + SHIFT * 8)) * word(part, POWER)
    return word(known, 2) + second * SECOND + fraction, after + 1


@inlined
def short_decimal(p):
    """Read digits.digits, up to eight of each, in less than sixteen bytes."""
    stops = ~digit_bits(p) & FIRST_16
    later = stops & (stops - U1)
    if later == U0:
        return NAN, BAD
    count, size = np.int64(zeros_below(stops)), np.int64(zeros_below(later))
    places = size - count - 1
    if byte(p + count) != POINT or count < 1 or count > 8 or places < 1 or places > 8:
        return NAN, BAD
    whole, fraction = first_digits(load(p), count), first_digits(load(p + count + 1), places)
    return (whole * INT_POWERS[places] + fraction) / POWERS[places], p + size


# --- values -------------------------------------------------------------------------------


@inlined
def decimal_in_quotes(p, action):
    """Read a decimal between quotes, as `read_decimal` does; an empty one is BAD."""
    is_signed = action == IS_SIGNED_OR_NONE
    is_below = is_signed and byte(p) == MINUS
    p += np.int64(is_below)
    real, after = short_decimal(p)
    if after == BAD:
        real, after = decimal(p)
    if real == 0.0 and not is_signed:
        real, after = NAN, after if action == IS_DECIMAL_OR_NONE else BAD
    return bits_of(-real if is_below else real), after


@inlined
def time_in_ms(p, part):
    """Read ms as ns, or us by their digits, as `read_epoch` does."""
    value, after = expected_integer(p, part)
    if after == BAD or value > MILLIS_MAX:
        return read_epoch(p, word(part, VALUE_A))
    return value * MILLI, after


@inlined
def symbol_in_quotes(p, tables):
    """Read a symbol between quotes as the number of its instrument, as `read_symbol` does."""
    after = text_end(p)
    if after - p > LONGEST:
        return np.int64(0), BAD
    w0, w1, w2 = text_words(p, after - p)
    return instrument_of(w0, w1, w2, tables), after
