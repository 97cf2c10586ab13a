"""The strict reader: reads one frame at a time, exactly, or refuses it with a reason.

    frame --JSON--> message --first channel it matches--> channel --read its shape--> rows

It defines what a frame means: the compiled scanner must agree with it.
"""

import json
import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, NoReturn

import numpy as np

from tapeflow.schemas.venues.dialect import Dialect, Field, Kind, Shape

Row = dict[str, int | float]
Symbols = Mapping[str, int]  # the venue's symbol -> number of the instrument
NOT_LISTED = -1

MISSING = object()
DECIMAL = re.compile(r"[0-9]+(\.[0-9]+)?")
INTEGER = re.compile(r"0|[1-9][0-9]{0,18}")
STRING = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
OPENING, CLOSING = np.frombuffer(b"{[", np.uint8), np.frombuffer(b"}]", np.uint8)
DEPTH_MAX = 500  # well within what Python's own JSON reader can nest
INTEGER_DIGITS_MAX = 4300  # digits
RFC3339 = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?Z", re.ASCII)


class MalformedError(Exception):
    """A frame that is not what its venue promises; the message says why."""


def read_frame(dialect: Dialect, frame: bytes, symbols: Symbols) -> tuple[int, list[Row]]:
    """Read one frame; return the number of its channel in the dialect, and its rows in log order.

    A row holds a number for each column the channel declares; `instrument` is NOT_LISTED where the
    symbol is not in `symbols`.

    Raises MalformedError for a frame that cannot be read, and nothing else.
    """
    message = parse_object(frame)
    for number, channel in enumerate(dialect.channels):
        if matches(channel.shape, message):
            if channel.reason:
                raise MalformedError(channel.reason)
            start: Row = {"verdict": channel.verdict}
            rows = read_shape(channel.shape, message, start, symbols) if channel.table else []
            return number, rows[::-1] if channel.newest_first else rows
    raise MalformedError(f"no channel we know{describe_channel(message)}")


def matches(shape: Shape, message: Any) -> bool:
    """Return whether a message satisfies the LITERAL, PRESENT and ABSENT fields of a shape."""
    if not isinstance(message, dict):
        return False
    for name, part in shape.items():
        value = message.get(name, MISSING)
        if isinstance(part, Field):
            if part.kind is Kind.LITERAL and (type(value) is not str or value != part.words[0][0]):
                return False
            if part.kind is Kind.PRESENT and value is MISSING:
                return False
            if part.kind is Kind.ABSENT and value is not MISSING:
                return False
        elif isinstance(part, Mapping) and not matches(part, value):
            return False
    return True


def read_shape(shape: Shape, message: Any, outer: Row, symbols: Symbols) -> list[Row]:
    """Read the rows of an object, each with the fields of the objects that enclose it."""
    require(isinstance(message, dict), "an object is missing where rows should be")
    row, below = dict(outer), []
    for name, part in shape.items():
        value = message.get(name, MISSING)
        if not isinstance(part, Field):
            below.append((name, part, value))
        elif part.kind > Kind.ABSENT and not (part.optional and value is MISSING):
            row[part.column] = read_field(part, name, value, symbols)
    if not below:
        return [row]
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
    return READERS[field.kind](value, name)


def read_word(field: Field, name: str, text: str) -> int:
    words = dict(field.words)
    other = words.pop("", None)
    value = words.get(text, other)
    if value is None:
        raise MalformedError(f"{name} is none of {', '.join(words)}")
    return value


def read_integer(value: Any, name: str) -> int:
    return in_63_bits(expect_type(value, name, int), name)


def read_integer_text(value: Any, name: str) -> int:
    text = expect_type(value, name, str)
    require(INTEGER.fullmatch(text) is not None, f"{name} is not an integer in a string")
    return in_63_bits(int(text), name)


def read_decimal_or_zero(value: Any, name: str) -> float:
    text = expect_type(value, name, str)
    require(DECIMAL.fullmatch(text) is not None, f"{name} is not a plain decimal")
    number = float(text)
    require(math.isfinite(number), f"{name} is too large")
    return number or math.nan


def read_decimal(value: Any, name: str) -> float:
    number = read_decimal_or_zero(value, name)
    require(number > 0, f"{name} is not above zero")
    return number


def read_millis(value: Any, name: str) -> int:
    return in_63_bits(read_integer(value, name) * 1_000_000, name)


def read_rfc3339(value: Any, name: str) -> int:
    """Read a time in UTC as nanoseconds since the epoch.

    >>> read_rfc3339("2021-04-17T16:43:37.1Z", "time")
    1618677817100000000
    """
    match = RFC3339.fullmatch(expect_type(value, name, str))
    if match is None:
        raise MalformedError(f"{name} is not RFC 3339 with Z")
    *calendar, fraction = match.groups(default="0")
    year, month, day, hour, minute, second = map(int, calendar)
    try:
        moment = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        raise MalformedError(f"{name} is no moment of the calendar") from None
    nanoseconds = int(moment.timestamp()) * 1_000_000_000 + int(fraction.ljust(9, "0"))
    return in_63_bits(nanoseconds, name)


READERS: dict[Kind, Callable[[Any, str], int | float]] = {
    Kind.INTEGER: read_integer,
    Kind.INTEGER_TEXT: read_integer_text,
    Kind.DECIMAL: read_decimal,
    Kind.DECIMAL_OR_ZERO: read_decimal_or_zero,
    Kind.MILLIS: read_millis,
    Kind.RFC3339: read_rfc3339,
}


def refuse_constant(name: str) -> NoReturn:
    raise MalformedError(f"{name} is not JSON")


def read_int(digits: str) -> int:
    """Read an integer no longer than Python reads by default, whatever the process is set to."""
    require(len(digits) <= INTEGER_DIGITS_MAX, "an integer is too long")
    return int(digits)


JSON = json.JSONDecoder(parse_constant=refuse_constant, parse_int=read_int)


def parse_object(frame: bytes) -> dict[str, Any]:
    """Parse one complete JSON object in UTF-8; of a repeated key the last one counts."""
    require(depth(frame) <= DEPTH_MAX, "nested too deeply")
    try:
        value = JSON.decode(frame.decode())
    except ValueError:
        raise MalformedError("not one complete JSON value in UTF-8") from None
    if not isinstance(value, dict):
        raise MalformedError("not a JSON object")
    return value


def depth(frame: bytes) -> int:
    """Return an upper bound of the nesting of objects and arrays; 0 where it is small."""
    if frame.count(b"{") + frame.count(b"[") <= DEPTH_MAX:
        return 0
    text = np.frombuffer(STRING.sub(b"", frame), np.uint8)
    steps = np.isin(text, OPENING).astype(np.int64) - np.isin(text, CLOSING)
    return int(np.cumsum(steps).max(initial=0))


def expect_type(value: Any, name: str, kind: type) -> Any:
    """Return a value that is exactly of this type: true is no integer, and neither is 1.0."""
    require(value is not MISSING, f"{name} is missing")
    require(type(value) is kind, f"{name} is not {kind.__name__}")
    return value


def in_63_bits(value: int, name: str) -> int:
    require(0 <= value < 2**63, f"{name} is out of range")
    return value


def require(condition: bool, reason: str) -> None:
    if not condition:
        raise MalformedError(reason)


def describe_channel(message: dict[str, Any]) -> str:
    """Return the values of the fields by which venues name a channel, as text."""
    values = [
        f"{name} is {str(message[name])[:40]!r}"
        for name in ("e", "type", "channel", "stream")
        if name in message
    ]
    return f": {', '.join(values)}" if values else ""
