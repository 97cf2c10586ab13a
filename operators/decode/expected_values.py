"""Compile what a part of a template expects of a value: to be as long as that of the sample.

    "t":3735683259,     10 digits: 8, and 2 of the next word    SIZE 10, POWER 100
         ########==.    # other_bytes is 0   = in MASK   . in MASK and STOP

A value that is not as expected is read as any other, a little later.
"""

import re

from tapeflow.operators.decode.byte_kernel import BLOCK
from tapeflow.operators.decode.key_tables import to_signed
from tapeflow.operators.decode.template_layout import (
    INTEGER,
    RFC3339,
    TEXT,
    TEXT_MAX,
    TIME_IN_MS,
)

HIGH_BITS = 0x80 * 0x0101010101010101
TOO_LONG = 0, 0, 1, 0  # POWER to SHIFT, which no value fits


def expect(kind: int, sample: str) -> list[int]:
    """Return the words SIZE, POWER, MASK, STOP and SHIFT of a part."""
    if kind == INTEGER:
        size = len(sample)
        if size > BLOCK:
            return [BLOCK, *TOO_LONG]
        behind = size if size <= 8 else size - 8
        return [size, 10**behind, *digit_masks(behind)]
    if kind == TIME_IN_MS:
        return [13, 10**5, *digit_masks(5)]
    if kind == RFC3339:
        fraction = re.search(r"\.([0-9]{1,7})Z", sample)
        places = len(fraction[1]) if fraction else 6
        return [places, 10 ** (9 - places), *digit_masks(places)]
    if kind == TEXT:
        size = len(sample)
        last = size % BLOCK
        return [size, 0, (2 << last) - 1, 1 << last, 0] if size <= TEXT_MAX else [0, *TOO_LONG]
    return []


def digit_masks(count: int) -> list[int]:
    """Return what `other_bytes` of a word of so many digits is: mask, value; and their shift."""
    end = 8 * count
    mask = ((1 << end + 8) - 1) & HIGH_BITS
    stop = (0x80 << end) & HIGH_BITS
    return [to_signed(mask), to_signed(stop), 64 - end]
