"""The compiled reader of a tape's lines: stops before any line that it cannot read.

    1723161254087896568 {"stream":"btcusdt@trade","data":{..}}
    log time            ^ start                              ^ end

`memchr` of the C library finds the ends of lines; digits are read eight at a time (SWAR). The line
where it stops is read, or refused, by `TapeReader._read_strictly`.
"""

# Words are numpy's numbers of 64 bits, in a kernel as in plain Python:
# mypy: disable-error-code="no-untyped-def,no-untyped-call,arg-type"

import numpy as np

from tapeflow.engine.compiled import called, compiled
from tapeflow.engine.memory import find_byte, load
from tapeflow.schemas.columns import Bytes, Ints, Written
from tapeflow.schemas.time import LOG_MAX_NS, LOG_MIN_NS

NEWLINE, SPACE, ZERO, NINE = (np.uint8(ord(char)) for char in "\n 09")
SWAR_DIGITS = 16  # read eight at a time; the others one by one
DIGITS_MAX = 19  # a number of nineteen digits may be beyond 63 bits: it is then below zero
U = np.uint64
ZEROS, HIGH_HALVES, SIXES = U(0x3030303030303030), U(0xF0F0F0F0F0F0F0F0), U(0x0606060606060606)
LOW_HALVES, PAIRS, FOURS = U(0x0F0F0F0F0F0F0F0F), U(0x00FF00FF00FF00FF), U(0x0000FFFF0000FFFF)
TENS, HUNDREDS, TEN_THOUSANDS = U(2561), U(6553601), U(42949672960001)
U8, U16, U32 = U(8), U(16), U(32)


@called
def are_digits(word):
    """Return whether eight bytes are ASCII digits: adding 6 carries out of a nibble above 9."""
    return word & HIGH_HALVES == ZEROS and (word + SIXES) & HIGH_HALVES == ZEROS


@called
def parse_digits(word):
    """Return the number of eight ASCII digits in a little-endian word: by pairs, fours, all."""
    word = word & LOW_HALVES
    word = (word * TENS >> U8) & PAIRS
    word = (word * HUNDREDS >> U16) & FOURS
    return np.int64(word * TEN_THOUSANDS >> U32)


@compiled
def split(  # noqa: PLR0913, PLR0917  # a kernel takes plain arrays
    data: Bytes, begin: int, end: int, digits: int, unit_ns: int,
    starts: Written[Ints], ends: Written[Ints], log_ns: Written[Ints],
) -> tuple[int, int]:  # fmt: skip
    """Read lines of data[begin:end] until the columns are full.

    `data`: (bytes,) uint8, which goes on for at least eight bytes behind `end`. Fills `starts`,
    `ends` and `log_ns`: (records,) int64, the frames' bounds in `data` and the log times, which
    have so many `digits` in a unit of `unit_ns`. Returns how many lines were read, and where the
    next one begins.
    """
    first = data.ctypes.data
    count = 0
    least, beyond = LOG_MIN_NS // unit_ns, LOG_MAX_NS // unit_ns
    while count < len(starts) and begin < end:
        found = find_byte(first + begin, NEWLINE, end - begin)
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
