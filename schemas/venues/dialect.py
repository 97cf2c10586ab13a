"""The language that describes a venue's frames: where each column is in them, and its format.

A dialect is a list of channels; a channel is a shape, laid out as its frames are, with a `Field` at
each leaf. Two readers implement it, both in operators/decode: the strict reader (one frame at a
time, with the reason for a refusal) and the compiled scanner (whole pages; a frame that it is not
sure of goes to the strict reader). A test checks that they agree.

    {"e": literal("trade"), "s": SYMBOL, "t": integer("trade_id"), "p": decimal("price"), ...}

Keys that a shape does not name are skipped. A list of one shape is an array, of which every element
is read; a field of an object that encloses rows belongs to each of these rows.
"""

from collections.abc import Mapping
from enum import IntEnum
from typing import TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from tapeflow.schemas.market import ACCEPTED, Ticks, Trades


class Kind(IntEnum):
    """How a field is read."""

    # These three distinguish the channels of a dialect:
    LITERAL = 0  # exactly this text
    PRESENT = 1  # present, whatever its value
    ABSENT = 2  # absent
    # These are read:
    SYMBOL = 3  # the venue's symbol of the instrument
    INTEGER = 4  # JSON integer, 0 .. 2^63 - 1
    INTEGER_TEXT = 5  # the same in a string
    DECIMAL = 6  # a string of digits[.digits], as float64 finite and above zero
    DECIMAL_OR_ZERO = 7  # the same; zero is read as NaN, as it means: none
    MILLIS = 8  # JSON integer, milliseconds
    RFC3339 = 9  # a string, UTC with Z, up to 9 fraction digits
    BOOLEAN = 10  # JSON true or false
    CHOICE = 11  # one of several texts


class Field(Struct, frozen=True):
    """A field of a frame: how it is read, and into which column."""

    kind: Kind
    column: str = ""
    # LITERAL: the text, with 0; CHOICE: each text with its value, "" for any other
    words: tuple[tuple[str, int], ...] = ()
    values: tuple[int, int] = (0, 0)  # BOOLEAN: of false and of true
    optional: bool = False  # may be missing: the column keeps its default


Shape: TypeAlias = "Mapping[str, Field | Shape | list[Shape]]"


class Channel(Struct, frozen=True):
    """One kind of frame."""

    name: str
    shape: Shape
    table: type[Ticks] | None = Trades  # of its rows; None: known, but not stored
    verdict: int = ACCEPTED  # of its trades, unless a CHOICE field sets it
    newest_first: bool = False  # the venue writes the rows of a frame backwards
    reason: str = ""  # not empty: such a frame is a dead letter for this reason


class Dialect(Struct, frozen=True):
    """All channels of a venue; a frame is read by the first one that it matches."""

    channels: tuple[Channel, ...]
    numbered: bool = True  # trade ids of an instrument follow one another: one that lacks is a gap

    def ignoring(self, table: type[Ticks]) -> "Dialect":
        """Return the dialect in which frames with rows of `table` are known, but not stored."""
        channels = self.channels
        known = (replace(each, table=None) if each.table is table else each for each in channels)
        return replace(self, channels=tuple(known))

    def restricted_to(self, names: tuple[str, ...]) -> "Dialect":
        """Return the dialect in which frames of all other channels are dead letters."""
        known = (
            each
            if each.name in names
            else replace(each, reason=f"channel {each.name} is not expected")
            for each in self.channels
        )
        return replace(self, channels=tuple(known))


def literal(text: str) -> Field:
    """Match exactly this text."""
    return Field(Kind.LITERAL, words=((text, 0),))


PRESENT = Field(Kind.PRESENT)
ABSENT = Field(Kind.ABSENT)
SYMBOL = Field(Kind.SYMBOL, "instrument")


def integer(column: str) -> Field:
    """Read a JSON integer of 63 bits."""
    return Field(Kind.INTEGER, column)


def integer_text(column: str) -> Field:
    """Read an integer of 63 bits in a string."""
    return Field(Kind.INTEGER_TEXT, column)


def decimal(column: str) -> Field:
    """Read a positive plain decimal in a string."""
    return Field(Kind.DECIMAL, column)


def decimal_or_zero(column: str, *, optional: bool = False) -> Field:
    """Read a plain decimal in a string; zero, which means that there is none, becomes NaN."""
    return Field(Kind.DECIMAL_OR_ZERO, column, optional=optional)


def millis(column: str) -> Field:
    """Read milliseconds since the epoch; the column is in ns."""
    return Field(Kind.MILLIS, column)


def rfc3339(column: str, *, optional: bool = False) -> Field:
    """Read a time as text; the column is in ns since the epoch."""
    return Field(Kind.RFC3339, column, optional=optional)


def boolean(column: str, *, false: int, true: int) -> Field:
    """Read a JSON boolean as one of two values."""
    return Field(Kind.BOOLEAN, column, values=(false, true))


def choice(column: str, words: Mapping[str, int], *, other: int | None = None) -> Field:
    """Read one of these texts as its value, or any other text as `other` where that is given."""
    rest = () if other is None else (("", other),)
    return Field(Kind.CHOICE, column, words=(*words.items(), *rest))


def ignored_channels(field: str, *names: str) -> tuple[Channel, ...]:
    """Return channels that one field identifies by its text, and that are not stored."""
    return tuple(Channel(name, {field: literal(name)}, table=None) for name in names)
