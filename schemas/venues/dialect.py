"""The language that describes a venue's frames: where each column is in them, and its format.

A dialect is a list of channels; a channel is a shape, laid out as its frames are, with a `Field` at
each leaf. Two readers implement it, both in operators/decode: the strict reader (one frame at a
time, with the reason for a refusal) and the compiled scanner (whole pages; a frame that it is not
sure of goes to the strict reader). A test checks that they agree.

    {"e": literal("trade"), "s": SYMBOL, "t": integer("trade_id"), "p": decimal("price"), ...}

Keys that a shape does not name are skipped. A list of one shape is an array, of which every element
is read; a field of an object that encloses rows belongs to each of these rows. A channel may be an
array as a whole. Where the elements of an array distinguish channels, all of them must match; an
empty array could be of any such channel, and is of the first.
"""

from collections.abc import Callable, Mapping
from enum import IntEnum
from typing import Any, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from tapeflow.schemas.market import ACCEPTED, Ticks, Trades

YEAR_2000_NS = 946_684_800_000_000_000  # no venue of ours is older
COMBINED = "combined."  # before the name of a channel that comes on a combined stream
FIRST_ID = "first_id"  # no column of trades: of a range, only the number of its trades is kept


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
    DECIMAL_OR_NONE = 7  # the same; zero, "" and null are read as NaN, as they mean: none
    EPOCH = 8  # JSON integer, time since 1970 in the unit that its digits show: see `epoch`
    MILLIS = 9  # JSON integer, milliseconds since 1970
    RFC3339 = 10  # a string, UTC with Z, up to 9 fraction digits
    BOOLEAN = 11  # JSON true or false
    CHOICE = 12  # one of several texts
    SIGNED_OR_NONE = 13  # a string of [-]digits[.digits], zero too; "" and null are read as NaN
    EPOCH_OR_NONE = 14  # as EPOCH; 0, which means none, as NO_TIME


class Field(Struct, frozen=True):
    """A field of a frame: how it is read, and into which column."""

    kind: Kind
    column: str = ""
    # LITERAL: the text, with 0; CHOICE: each text with its value, "" for any other
    words: tuple[tuple[str, int], ...] = ()
    values: tuple[int, int] = (0, 0)  # BOOLEAN: of false and of true
    optional: bool = False  # may be missing or null: the column keeps its default
    usual: bool = False  # optional, but so rarely missing that such a frame may be read slowly
    only_accepted: bool = False  # matters for accepted trades; of others what is unreadable is NaN
    since_ns: int = 0  # RFC3339: an earlier time is refused, and one after LAST_NS


Shape: TypeAlias = "Mapping[str, Field | Shape | list[Shape]]"


class Channel(Struct, frozen=True):
    """One kind of frame."""

    name: str
    shape: "Shape | list[Shape]"
    table: type[Ticks] | None = Trades  # of its rows; None: known, but not stored
    verdict: int = ACCEPTED  # of its trades, unless a CHOICE field sets it
    newest_first: bool = False  # the venue writes the rows of a frame backwards
    reason: str = ""  # not empty: such a frame is a dead letter for this reason
    trades: str = ""  # of a venue that sends its trades in two ways: which of them this is
    unread: bool = False  # it has trades, but the job reads the venue's other channel of them
    imported: bool = False  # a frame of our own: what is said of the venue's frames is not of it


class Dialect(Struct, frozen=True):
    """All channels of a venue; a frame is read by the first one that it matches."""

    channels: tuple[Channel, ...]
    numbered: bool = True  # trade ids of an instrument follow one another: one that lacks is a gap

    def mapping(self, change: Callable[[Channel], Channel]) -> "Dialect":
        """Return the dialect with each channel changed."""
        return replace(self, channels=tuple(map(change, self.channels)))

    def ignoring(self, table: type[Ticks]) -> "Dialect":
        """Return the dialect in which frames with rows of `table` are known, but not stored."""
        return self.mapping(lambda each: replace(each, table=None) if each.table is table else each)

    def with_trades(self, way: str) -> "Dialect":
        """Return the dialect that reads trades sent in one of two ways, and none sent in the other.

        >>> from tapeflow.schemas.venues.binance import DIALECT
        >>> [each.name for each in DIALECT.with_trades("aggTrade").channels if each.unread]
        ['trade', 'combined.trade']
        """

        def choose(channel: Channel) -> Channel:
            if not channel.trades:
                return channel
            unread = channel.trades != way
            return replace(channel, table=None if unread else Trades, unread=unread)

        return self.mapping(choose)

    def with_times_in_ms(self) -> "Dialect":
        """Return the dialect whose integer times are all in ms, and whose times begin in 1970."""
        return self.mapping(
            lambda each: each if each.imported else replace(each, shape=shape_in_ms(each.shape))
        )

    def restricted_to(self, names: tuple[str, ...]) -> "Dialect":
        """Return the dialect in which frames of all other channels are dead letters."""

        def restrict(channel: Channel) -> Channel:
            reason = f"channel {channel.name} is not expected"
            allowed = channel.imported or channel.name in names
            return channel if allowed else replace(channel, reason=reason)

        return self.mapping(restrict)


def shape_in_ms(shape: Any) -> Any:
    """Return a part of a shape with all its integer times in ms, of any year since 1970."""
    if isinstance(shape, list):
        return [*map(shape_in_ms, shape)]
    if isinstance(shape, Mapping):
        return {name: shape_in_ms(part) for name, part in shape.items()}
    return replace(shape, kind=Kind.MILLIS if shape.kind is Kind.EPOCH else shape.kind, since_ns=0)


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


def decimal(column: str, *, only_accepted: bool = False) -> Field:
    """Read a positive plain decimal in a string."""
    return Field(Kind.DECIMAL, column, only_accepted=only_accepted)


def decimal_or_none(column: str, *, optional: bool = False, usual: bool = False) -> Field:
    """Read a plain decimal in a string; zero, "" and null, which mean none, as NaN."""
    return Field(Kind.DECIMAL_OR_NONE, column, optional=optional, usual=usual)


def id_range(first: str, last: str) -> dict[str, Field]:
    """Read the ids of the first and the last trade of a row as their `count`."""
    return {first: integer(FIRST_ID), last: integer("count")}


def epoch(column: str, *, optional: bool = False) -> Field:
    """Read the time since 1970 in s, ms, us or ns, as 10, 13, 16 or 19 digits show; no others."""
    return Field(Kind.EPOCH, column, optional=optional)


def rfc3339(column: str, *, optional: bool = False) -> Field:
    """Read a time as text, of 2000 or later; the column is in ns since the epoch."""
    return Field(Kind.RFC3339, column, optional=optional, since_ns=YEAR_2000_NS)


def boolean(column: str, *, false: int, true: int) -> Field:
    """Read a JSON boolean as one of two values."""
    return Field(Kind.BOOLEAN, column, values=(false, true))


def choice(
    column: str, words: Mapping[str, int], *, other: int | None = None, optional: bool = False
) -> Field:
    """Read one of these texts as its value, or any other text as `other` where that is given."""
    rest = () if other is None else (("", other),)
    return Field(Kind.CHOICE, column, words=(*words.items(), *rest), optional=optional)


def ignored_channels(field: str, *names: str) -> tuple[Channel, ...]:
    """Return channels that one field identifies by its text, and that are not stored."""
    return tuple(Channel(name, {field: literal(name)}, table=None) for name in names)
