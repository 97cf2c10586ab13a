"""Numbers of a fixed width out of text, eight digits at a time for all lines at once."""

import numpy as np

from schemas.market import Bytes, Ints

ZEROS = np.uint64(0x3030303030303030)
HIGH_HALVES = np.uint64(0xF0F0F0F0F0F0F0F0)
SIX = np.uint64(0x0606060606060606)  # carries out of the low half of what is above a 9


def parse_fixed(
    data: Bytes, starts: Ints, width: int
) -> tuple[Ints, "np.ndarray[tuple[int], np.dtype[np.bool_]]"]:
    """The integer of `width` digits at each start, and whether it is one below 2^63.

    `data` goes on for at least 8 bytes behind the last start + width.
    """
    value = np.zeros(len(starts), np.int64)
    good = np.full(len(starts), 0 < width < 20)
    if not good.any():
        return value, good
    for place in range(width % 8):
        digit = data[starts + place].astype(np.int64) - 48
        good &= (digit >= 0) & (digit <= 9)
        value = value * 10 + digit
    words = np.ndarray(len(data) - 7, "<u8", data, strides=(1,))
    for place in range(width % 8, width, 8):
        word = words[starts + place]
        good &= (word & HIGH_HALVES == ZEROS) & ((word + SIX) & HIGH_HALVES == ZEROS)
        value = value * 100_000_000 + eight_digits(word)
    return value, good & (value >= 0)  # 19 digits may have gone past 2^63


def eight_digits(word: "np.ndarray[tuple[int], np.dtype[np.uint64]]") -> Ints:
    """Value of eight ASCII digits read as a little-endian word: pairs, then fours, then all."""
    word = word & np.uint64(0x0F0F0F0F0F0F0F0F)
    word = (word * np.uint64(2561) >> np.uint64(8)) & np.uint64(0x00FF00FF00FF00FF)
    word = (word * np.uint64(6553601) >> np.uint64(16)) & np.uint64(0x0000FFFF0000FFFF)
    return (word * np.uint64(42949672960001) >> np.uint64(32)).astype(np.int64)
