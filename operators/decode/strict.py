"""The strict reader: reads one frame at a time, exactly, or refuses it with a reason.

    frame --JSON--> message --first channel it matches--> channel --read its shape--> rows

It defines what a frame means: the compiled scanner must agree with it.
"""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from tapeflow.operators.decode.messages import (
    MalformedError,
    describe_channel,
    parse_message,
    require,
)
from tapeflow.operators.decode.values import MISSING, READERS, expect_type, read_word
from tapeflow.schemas.market import ACCEPTED
from tapeflow.schemas.time import LAST_NS
from tapeflow.schemas.venues.dialect import (
    FIRST_ID,
    Channel,
    Dialect,
    Field,
    Kind,
    Shape,
    distinguishes,
)

Row = dict[str, int | float]
Symbols = Mapping[str, int]  # the venue's symbol -> number of the instrument
NOT_LISTED = -1
COUNT_MAX = 2**31 - 1  # trades of one row


class Reading(NamedTuple):
    """What a frame says."""

    channel: int  # its number in the dialect
    rows: list[Row]  # in log order
    instrument: int = NOT_LISTED  # of trades that the job does not read


def read_frame(dialect: Dialect, frame: bytes, symbols: Symbols) -> Reading:
    """Read one frame.

    A row holds a number for each column the channel declares; `instrument` is NOT_LISTED where the
    symbol is not in `symbols`.

    Raises MalformedError for a frame that cannot be read, and nothing else.
    """
    message = parse_message(frame)
    for number, channel in enumerate(dialect.channels):
        if matches(channel.shape, message):
            if channel.reason:
                raise MalformedError(channel.reason)
            if channel.unread:
                return Reading(number, [], find_instrument(channel.shape, message, symbols))
            rows = read_rows(channel, message, symbols) if channel.table else []
            return Reading(number, rows[::-1] if channel.newest_first else rows)
    raise MalformedError(f"no channel we know{describe_channel(message)}")


def matches(shape: "Shape | list[Shape]", message: Any) -> bool:
    """Return whether a message satisfies the LITERAL, PRESENT and ABSENT fields of a shape."""
    if isinstance(shape, list):
        return type(message) is list and all(matches(shape[0], each) for each in message)
    if not isinstance(message, dict):
        return False
    for name, part in shape.items():
        value = message.get(name, MISSING)
        if isinstance(part, Field):
            if not fits(part, value):
                return False
        elif (isinstance(part, Mapping) or distinguishes(part)) and not matches(part, value):
            return False
    return True


def fits(field: Field, value: Any) -> bool:
    """Return whether a value, or MISSING, is what a LITERAL, PRESENT or ABSENT field says."""
    if field.kind is Kind.LITERAL:
        return type(value) is str and value == field.words[0][0]
    return field.kind > Kind.ABSENT or (value is MISSING) == (field.kind is Kind.ABSENT)


def find_instrument(shape: Any, message: Any, symbols: Symbols) -> int:
    """Return the listed instrument that a frame without rows is about; NOT_LISTED if it is none."""
    for name, part in shape.items():
        if isinstance(part, Mapping):
            return find_instrument(part, message[name], symbols)
        if isinstance(part, Field) and part.kind is Kind.SYMBOL:
            symbol = message.get(name)
            return symbols.get(symbol, NOT_LISTED) if isinstance(symbol, str) else NOT_LISTED
    return NOT_LISTED


def read_rows(channel: Channel, message: Any, symbols: Symbols) -> list[Row]:
    """Read the rows of a frame, or of an array of them, in the order of the frame."""
    start: Row = {"verdict": channel.verdict}
    if isinstance(channel.shape, list):
        shape = channel.shape[0]
        return [row for each in message for row in read_shape(shape, each, start, symbols)]
    return read_shape(channel.shape, message, start, symbols)


def read_shape(shape: Shape, message: Any, outer: Row, symbols: Symbols) -> list[Row]:
    """Read the rows of an object, each with the fields of the objects that enclose it."""
    require(isinstance(message, dict), "an object is missing where rows should be")
    row, below, unreadable = dict(outer), [], []
    for name, part in shape.items():
        value = message.get(name, MISSING)
        if not isinstance(part, Field):
            below.append((name, part, value))
        elif part.kind > Kind.ABSENT and not (part.optional and value in (MISSING, None)):
            try:
                row[part.column] = read_field(part, name, value, symbols)
            except MalformedError as error:
                if not part.only_accepted:
                    raise
                row[part.column] = math.nan
                unreadable.append(error)
    if unreadable and row["verdict"] == ACCEPTED:
        raise unreadable[0]
    if not below:
        return [count_trades(row)]
    rows = []
    for name, part, value in below:
        if isinstance(part, list):
            require(type(value) is list, f"{name} is not an array")
            rows += [each for item in value for each in read_shape(part[0], item, row, symbols)]
        else:
            rows += read_shape(part, value, row, symbols)
    return rows


def read_field(field: Field, name: str, value: Any, symbols: Symbols) -> int | float:
    """Read the value of one field."""
    if field.kind is Kind.SYMBOL:
        return symbols.get(expect_type(value, name, str), NOT_LISTED)
    if field.kind is Kind.BOOLEAN:
        return field.values[expect_type(value, name, bool)]
    if field.kind is Kind.CHOICE:
        return read_word(field, name, expect_type(value, name, str))
    number = READERS[field.kind](value, name)
    if field.since_ns:
        require(number >= field.since_ns, f"{name} is before 2000")
        require(number <= LAST_NS, f"{name} is out of range")
    return number


def count_trades(row: Row) -> Row:
    """Return a row whose `count` is of the trades from its first id to the last, if it has ids."""
    if FIRST_ID in row:
        row["count"] += 1 - row.pop(FIRST_ID)
        require(1 <= row["count"] <= COUNT_MAX, "the ids of its trades are no range")
    return row
