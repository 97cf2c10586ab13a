"""Texts as words of 8 bytes, and the hash tables that find them.

    "price" --key_of--> 3 words --hash_of--> slot of a table

Texts are padded with zero bytes, which no plain text contains: equal words mean equal texts.
"""

import numpy as np

from tapeflow.operators.decode.guards import UnscannableError, require_scannable
from tapeflow.operators.decode.layout import LONGEST, MIX_1, MIX_2, SYMBOL_VALUE, SYMBOL_WORDS
from tapeflow.operators.decode.strict import Symbols
from tapeflow.schemas.columns import Ints

NO_MATCH = [0, 0, -1, -1, 0]  # as `expected_key`; no key is eight zero bytes


def key_of(text: str) -> tuple[int, int, int]:
    """Pad a key or symbol with zero bytes, which no plain text holds, and cut it into words."""
    require_scannable(is_plain(text), f"{text!r} is not short plain text")
    padded = text.encode().ljust(24, b"\0")
    first, second, third = (int.from_bytes(padded[at : at + 8], "little") for at in (0, 8, 16))
    return first, second, third


def masked_words(text: str, words: int) -> list[int]:
    """Cut a text into words, and masks of the bytes that it fills."""
    size = 8 * words
    padded, mask = text.encode().ljust(size, b"\0"), (b"\xff" * len(text)).ljust(size, b"\0")
    at = range(0, size, 8)
    return [
        to_signed(int.from_bytes(each[i : i + 8], "little")) for each in (padded, mask) for i in at
    ]


def expected_key(name: str) -> list[int]:
    """Return a key as frames usually write it, from quote to colon: words, masks, length."""
    text = f'"{name}":'
    return [*masked_words(text, 2), len(text)] if len(text) <= 16 else NO_MATCH


def is_plain(text: str) -> bool:
    """Return whether a text needs no escape in JSON, and is short enough to compare."""
    return len(text) <= LONGEST and all(
        " " <= each <= "\x7f" and each not in '"\\' for each in text
    )


def hash_of(key: tuple[int, int, int], factor: int) -> int:
    """Return a 64-bit hash, whose highest bits are mixed best."""
    mixed = key[0] ^ (key[1] * MIX_1) ^ (key[2] * MIX_2)
    return (mixed * factor) % 2**64


def perfect_hash(keys: list[tuple[int, int, int]]) -> tuple[int, int, list[int]]:
    """Find a hash without collisions; return its factor, its bits, and by slot the key's number."""
    require_scannable(len(set(keys)) == len(keys), "a key is named twice")
    for bits in range(max(1, len(keys).bit_length()), 16):
        for attempt in range(1, 100):
            factor = pow(MIX_1, attempt, 2**64) | 1
            at = [hash_of(key, factor) >> (64 - bits) for key in keys]
            if len(set(at)) == len(at):
                slots = [-1] * 2**bits
                for number, slot in enumerate(at):
                    slots[slot] = number
                return factor, bits, slots
    raise UnscannableError("no perfect hash of its keys was found")


def symbol_table(symbols: Symbols) -> tuple[Ints, int]:
    """Build an open hash table, at most a quarter full, and return it with its mask.

    A row: 24 bytes of the symbol, and the instrument, -1 where there is none. Symbols that are not
    short plain text are left out: the kernel leaves frames with them to the strict reader.
    """
    plain = {key_of(text): number for text, number in symbols.items() if is_plain(text)}
    assert all(number >= 0 for number in plain.values()), "an instrument has a number"
    mask = 2 ** (4 * len(plain)).bit_length() - 1
    table = np.zeros((mask + 1, SYMBOL_WORDS), np.int64)
    table[:, SYMBOL_VALUE] = -1
    for key, number in plain.items():
        slot = hash_of(key, MIX_1) >> 32 & mask
        while table[slot, SYMBOL_VALUE] >= 0:
            slot = (slot + 1) & mask
        table[slot] = [*map(to_signed, key), number]
    return table, mask


def to_signed(word: int) -> int:
    """Return the int64 with the same 64 bits."""
    return word - 2**64 if word >= 2**63 else word
