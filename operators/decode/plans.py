"""A dialect as plain arrays: what the compiled scanner walks along instead of shapes and leaves.

    dialect --channel by channel--> plans --each key of an object--> nodes, entries --> Tables

A plan fits only frames that its channel claims and no earlier channel does (`scan_claims.py`), so a
frame that fits any plan is read rightly, whichever plan was tried first.

What a plan cannot say makes its channel `unscanned`: the strict reader reads it.
"""

from typing import NamedTuple

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from tapeflow.operators.decode.guards import (
    Path,
    UnscannableError,
    discriminators_only,
    guards,
    require_scannable,
)
from tapeflow.operators.decode.rows import FLOAT_DEFAULTS, FLOATS, INT_DEFAULTS, INTS
from tapeflow.operators.decode.strict import Symbols
from tapeflow.schemas.columns import Ints
from tapeflow.schemas.venues.dialect import Channel, Dialect, Field, Kind, Shape

# The layout, in 8-byte words. Written out once more in scan_kernel.py; a test holds both equal.
NODE, NEED, SLOTS, FACTOR, SHIFT, IS_ROW, FILL, FILL_END, ENTRIES, ENTRIES_END = 9, *range(9)
ENTRY, KEY, AHEAD, AHEAD_MASK, AHEAD_BYTES, BIT, ACTION, COLUMN, A, B, WORDS, WORDS_END = (
    15, 0, 3, 5, *range(7, 15),
)  # fmt: skip
CHOICE, WORD_MASK, WORD_BYTES, WORD_VALUE = 8, 3, 6, 7
SYMBOL, SYMBOL_VALUE = 4, 3
PLAN, ROOT, CHANNEL, TICK, REVERSED = 4, *range(4)
REFUSE, SKIP, OBJECT, ARRAY, IS_WORD, IS_SYMBOL = range(6)  # actions
IS_INTEGER, IS_INTEGER_TEXT, IS_DECIMAL, IS_DECIMAL_OR_ZERO, IS_MILLIS, IS_TIME, IS_FLAG = range(
    6, 13
)
FRAME_AT, CHANNEL_AT, UNUSED, WIDTH = range(len(INTS) + len(FLOATS), len(INTS) + len(FLOATS) + 4)
LEVELS, LONGEST = 8, 23  # objects within objects; bytes of a key, a word or a symbol
MIX_1, MIX_2 = 0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F  # of the second and third word of a key

ACTIONS = {
    Kind.LITERAL: IS_WORD,
    Kind.PRESENT: SKIP,
    Kind.ABSENT: REFUSE,
    Kind.SYMBOL: IS_SYMBOL,
    Kind.INTEGER: IS_INTEGER,
    Kind.INTEGER_TEXT: IS_INTEGER_TEXT,
    Kind.DECIMAL: IS_DECIMAL,
    Kind.DECIMAL_OR_ZERO: IS_DECIMAL_OR_ZERO,
    Kind.MILLIS: IS_MILLIS,
    Kind.RFC3339: IS_TIME,
    Kind.BOOLEAN: IS_FLAG,
    Kind.CHOICE: IS_WORD,
}
COLUMNS = {name: number for number, name in enumerate((*INTS, *FLOATS))}
DEFAULTS = [*INT_DEFAULTS, *np.array(FLOAT_DEFAULTS).view(np.int64).tolist()]  # as bits

NO_MATCH = [0, 0, -1, -1, 0]  # no key is eight zero bytes


class ScanTables(NamedTuple):
    """A compiled dialect: the first eight are what the kernel is told of it."""

    plans: Ints
    nodes: Ints
    slots: Ints  # perfect hash tables of the nodes' keys: numbers of entries, -1 none
    entries: Ints
    words: Ints
    fills: Ints  # (column, bits): what a row begins with
    symbols: Ints  # open hash table
    limits: Ints  # number of plans, mask of the symbol table
    row_bytes: int  # no row of an array is shorter; 0: no arrays, a frame has one row at most
    unscanned: tuple[str, ...]  # names of channels left to the strict reader


def compile_dialect(dialect: Dialect, symbols: Symbols) -> ScanTables:
    """Compile a dialect and the symbols listed with it."""
    draft, unscanned = TableBuilder([], [], [], [], [], [], []), []
    for number, channel in enumerate(dialect.channels):
        try:
            if not channel.reason:
                draft.plan(number, channel, guards(dialect.channels, number))
        except UnscannableError:
            unscanned.append(channel.name)
    table, mask = symbol_table(symbols)
    return ScanTables(
        np.array(draft.plans, np.int64),
        np.array(draft.nodes, np.int64),
        np.array(draft.slots, np.int64),
        np.array(draft.entries, np.int64),
        np.array(draft.words, np.int64),
        np.array(draft.fills, np.int64),
        table,
        np.array([len(draft.plans) // PLAN, mask], np.int64),
        min(draft.row_bytes, default=0),
        tuple(unscanned),
    )


class Place(Struct, frozen=True):
    """Where in a frame an object stands, and what that means for it."""

    path: Path
    absent: set[Path]  # see guards()
    defaults: dict[int, int]  # column -> bits that a row begins with; none: it holds no rows
    filled: tuple[str, ...]  # columns that the objects around fill
    in_array: bool

    def below(self, name: str, *, in_array: bool = False) -> "Place":
        """Step to an object under this key."""
        return replace(self, path=(*self.path, name), in_array=self.in_array or in_array)

    def reads(self, leaf: Field) -> bool:
        """Whether a leaf is of use here: what tells channels apart is not asked of arrays."""
        return leaf.kind > Kind.ABSENT or not self.in_array

    def filled_by(self, leaves: dict[str, Field]) -> "Place":
        """Note what these leaves fill, for what is below them."""
        kept = [leaf.column for leaf in leaves.values() if leaf.kind > Kind.ABSENT and leaf.column]
        filled = (*self.filled, *kept)
        require_scannable(len(set(filled)) == len(filled), "a column filled twice")
        return replace(self, filled=filled)

    def refused(self) -> list[str]:
        """Keys that must not be here."""
        return sorted(path[-1] for path in self.absent if path[:-1] == self.path)


class TableBuilder(Struct):
    """The tables while they are written."""

    plans: list[int]
    nodes: list[int]
    slots: list[int]
    entries: list[int]
    words: list[int]
    fills: list[int]
    row_bytes: list[int]

    def plan(self, number: int, channel: Channel, absent: set[Path]) -> None:
        """Write the plan of one channel."""
        shape = channel.shape if channel.table else discriminators_only(channel.shape)
        defaults = dict(enumerate(DEFAULTS)) | {COLUMNS["verdict"]: channel.verdict}
        place = Place((), absent, defaults if channel.table else {}, (), in_array=False)
        self.plans += [self.node(shape, place), number, bool(channel.table), channel.newest_first]

    def node(self, shape: Shape, place: Place) -> int:
        """Write an object and all that is in it: the number of its node."""
        require_scannable(len(place.path) < LEVELS, "nested too deeply")
        leaves = {name: leaf for name, leaf in leaves_of(shape).items() if place.reads(leaf)}
        below = {name: part for name, part in shape.items() if not isinstance(part, Field)}
        require_scannable(not place.defaults or len(below) <= 1, "rows in two places")
        is_row = bool(place.defaults) and not below
        inner = place.filled_by(leaves)
        read = {name: self.leaf(leaf) for name, leaf in leaves.items()}
        read |= {name: self.nested(name, part, inner) for name, part in below.items()}
        needed = [name for name in read if name in below or is_needed(leaves[name])]
        if is_row and place.in_array:
            self.row_bytes.append(max(3, 1 + sum(len(name) + 5 for name in needed)))
        sure = {read[name][1] for name in needed} if is_row else set(place.defaults)
        fills = {column: bits for column, bits in place.defaults.items() if column not in sure}
        read |= {key: [REFUSE, UNUSED, 0, 0, 0, 0] for key in place.refused()}
        return self.write(read, needed, fills, is_row=is_row)

    def nested(self, name: str, part: "Shape | list[Shape]", place: Place) -> list[int]:
        """Write what is below an object: how its key is read."""
        if isinstance(part, list):
            child, action = self.node(part[0], place.below(name, in_array=True)), ARRAY
        else:
            child, action = self.node(part, place.below(name)), OBJECT
        return [action, UNUSED, child, 0, 0, 0]

    def leaf(self, leaf: Field) -> list[int]:
        """How a leaf is read: action, column, two numbers and a range of words."""
        column = COLUMNS.get(leaf.column, UNUSED) if leaf.kind > Kind.ABSENT else UNUSED
        real = leaf.kind in (Kind.DECIMAL, Kind.DECIMAL_OR_ZERO)
        require_scannable(
            column == UNUSED or (leaf.column in FLOATS) == real, "an integer where a float belongs"
        )
        first = len(self.words) // CHOICE
        words = dict(leaf.words)
        other = words.pop("", None) if leaf.kind is Kind.CHOICE else None
        for text, value in words.items():
            require_scannable(is_plain(text), "a word that is not short plain text")
            self.words += [*masked_words(f'{text}"', 3), len(text) + 1, value]
        a, b = leaf.values if leaf.kind is Kind.BOOLEAN else (other is not None, other or 0)
        return [ACTIONS[leaf.kind], column, a, b, first, len(self.words) // CHOICE]

    def write(
        self, rows: dict[str, list[int]], needed: list[str], fills: dict[int, int], *, is_row: bool
    ) -> int:
        """Write the entries of a node, one more that fits no key, and then the node."""
        require_scannable(len(rows) < 63, "too many keys")
        first, fill = len(self.entries) // ENTRY, len(self.fills) // 2
        factor, bits, slots = perfect_hash([key_of(name) for name in rows])
        need = 0
        for number, (name, row) in enumerate(rows.items()):
            self.entries += [*map(signed, key_of(name)), *expected_key(name), 1 << number, *row]
            need |= (name in needed) << number
        self.entries += [0, 0, 0, *NO_MATCH, 0, REFUSE, UNUSED, 0, 0, 0, 0]
        for column, value in fills.items():
            self.fills += [column, value]
        node = [need, len(self.slots), signed(factor), 64 - bits, is_row]
        self.nodes += [*node, fill, len(self.fills) // 2, first, first + len(rows)]
        self.slots += [first + slot if slot >= 0 else -1 for slot in slots]
        return len(self.nodes) // NODE - 1


def leaves_of(shape: Shape) -> dict[str, Field]:
    """Pick the fields of an object, without what is nested in it."""
    return {name: part for name, part in shape.items() if isinstance(part, Field)}


def is_needed(leaf: Field) -> bool:
    """Whether its key must be there."""
    return leaf.kind in (Kind.LITERAL, Kind.PRESENT) or not (
        leaf.kind is Kind.ABSENT or leaf.optional
    )


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
        signed(int.from_bytes(each[i : i + 8], "little")) for each in (padded, mask) for i in at
    ]


def expected_key(name: str) -> list[int]:
    """Write a key as it usually stands in a frame, from quote to colon: words, masks, length."""
    text = f'"{name}":'
    return [*masked_words(text, 2), len(text)] if len(text) <= 16 else NO_MATCH


def is_plain(text: str) -> bool:
    """Whether it can stand in a frame without an escape, and is short enough to compare."""
    return len(text) <= LONGEST and all(
        " " <= each <= "\x7f" and each not in '"\\' for each in text
    )


def hash_of(key: tuple[int, int, int], factor: int) -> int:
    """64 bits, the highest mixed best."""
    mixed = key[0] ^ (key[1] * MIX_1) ^ (key[2] * MIX_2)
    return (mixed * factor) % 2**64


def perfect_hash(keys: list[tuple[int, int, int]]) -> tuple[int, int, list[int]]:
    """Find a factor and a number of bits so that no two keys meet: and the key in each slot."""
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
    raise UnscannableError("keys that no hash tells apart")


def symbol_table(symbols: Symbols) -> tuple[Ints, int]:
    """Open hash table, at most a quarter full: 24 bytes and the instrument, -1 where there is none.

    Other symbols can stand in no frame that the kernel reads: an escape or a long one is a doubt.
    """
    plain = {key_of(text): number for text, number in symbols.items() if is_plain(text)}
    assert all(number >= 0 for number in plain.values()), "an instrument has a number"
    mask = 2 ** (4 * len(plain)).bit_length() - 1
    table = np.zeros((mask + 1, SYMBOL), np.int64)
    table[:, SYMBOL_VALUE] = -1
    for key, number in plain.items():
        slot = hash_of(key, MIX_1) >> 32 & mask
        while table[slot, SYMBOL_VALUE] >= 0:
            slot = (slot + 1) & mask
        table[slot] = [*map(signed, key), number]
    return table, mask


def signed(word: int) -> int:
    """Read the same 64 bits as int64."""
    return word - 2**64 if word >= 2**63 else word
