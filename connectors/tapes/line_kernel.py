"""The compiled reader of a tape's lines: stops before any line that it cannot read.

    1723161254087896568 {"stream":"btcusdt@trade","data":{..}}
    log time            ^ start                              ^ end

`memchr` of the C library finds the ends of lines; digits are read eight at a time (SWAR). The line
where it stops is read, or refused, by `TapeReader._read_strictly`.
"""

# numba has no types that mypy knows:
# mypy: disable-error-code="untyped-decorator,no-untyped-def,no-any-return"
# mypy: disable-error-code="no-untyped-call,call-overload,call-arg"

import numpy as np
from llvmlite import ir
from numba import njit
from numba.core import types
from numba.extending import intrinsic

from tapeflow.engine.compiled import compiled
from tapeflow.schemas.time import LOG_MAX_NS, LOG_MIN_NS

memchr = types.ExternalFunction("memchr", types.int64(types.int64, types.int32, types.int64))

NEWLINE, SPACE, ZERO, NINE = (np.uint8(ord(char)) for char in "\n 09")
SWAR_DIGITS = 16  # read eight at a time; the others one by one
DIGITS_MAX = 19  # a number of nineteen digits may be beyond 63 bits: it is then below zero
U = np.uint64
ZEROS, HIGH_HALVES, SIXES = U(0x3030303030303030), U(0xF0F0F0F0F0F0F0F0), U(0x0606060606060606)
LOW_HALVES, PAIRS, FOURS = U(0x0F0F0F0F0F0F0F0F), U(0x00FF00FF00FF00FF), U(0x0000FFFF0000FFFF)
TENS, HUNDREDS, TEN_THOUSANDS = U(2561), U(6553601), U(42949672960001)
U8, U16, U32 = U(8), U(16), U(32)


@intrinsic
def load(context, address):
    """Load eight bytes at an address, unaligned."""

    def generate(context, builder, signature, arguments):
        pointer = builder.inttoptr(arguments[0], ir.IntType(64).as_pointer())
        return builder.load(pointer, align=1)

    return types.uint64(types.int64), generate


@njit
def are_digits(word):
    """Return whether eight bytes are ASCII digits: adding 6 carries out of a nibble above 9."""
    return word & HIGH_HALVES == ZEROS and (word + SIXES) & HIGH_HALVES == ZEROS


@njit
def parse_digits(word):
    """Return the number of eight ASCII digits in a little-endian word: by pairs, fours, all."""
    word = word & LOW_HALVES
    word = (word * TENS >> U8) & PAIRS
    word = (word * HUNDREDS >> U16) & FOURS
    return np.int64(word * TEN_THOUSANDS >> U32)


@compiled
def split(data, begin, end, digits, unit_ns, starts, ends, log_ns):  # noqa: PLR0913, PLR0917
    """Read lines of data[begin:end] until the columns are full.

    `data`: (bytes,) uint8, which goes on behind `end`. Fills `starts`, `ends` and `log_ns`:
    (records,) int64, the frames' bounds in `data` and the log times, which have so many `digits` in
    a unit of `unit_ns`. Returns how many lines were read, and where the next one begins.
    """
    first = data.ctypes.data
    count = 0
    least, beyond = LOG_MIN_NS // unit_ns, LOG_MAX_NS // unit_ns
    while count < len(starts) and begin < end:
        found = memchr(first + begin, NEWLINE, end - begin)
        if found == 0:
            break
        line_end = found - first
        at, time = begin, np.int64(0)
        while at - begin < SWAR_DIGITS and are_digits(load(first + at)):
            time = time * 100_000_000 + parse_digits(load(first + at))
            at += 8
        while at - begin < DIGITS_MAX and ZERO <= data[at] <= NINE:
            time = time * 10 + np.int64(data[at] - ZERO)
            at += 1
        if at - begin != digits or (data[at] != SPACE and at != line_end):
            break
        if not least <= time < beyond:
            break
        starts[count] = min(at + 1, line_end)
        ends[count] = line_end
        log_ns[count] = time * unit_ns
        count, begin = count + 1, line_end + 1
    return count, begin
