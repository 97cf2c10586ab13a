"""The values of single fields, read exactly, or refused with a reason that names the field."""

import math
import re
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from tapeflow.operators.decode.messages import MalformedError, require
from tapeflow.schemas.time import LAST_NS, NO_TIME
from tapeflow.schemas.venues.dialect import Field, Kind

MISSING = object()
DECIMAL = re.compile(r"[0-9]+(\.[0-9]+)?")
INTEGER = re.compile(r"0|[1-9][0-9]{0,18}")
RFC3339 = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z", re.ASCII)
EPOCH_UNITS = {10: 1_000_000_000, 13: 1_000_000, 16: 1_000, 19: 1}  # ns, by number of digits


def word_reader(field: Field) -> Callable[[Any, str], int]:
    """Return the reader of a CHOICE field: one of its texts becomes that one's value."""
    words = dict(field.words)
    other = words.pop("", None)

    def read_word(value: Any, name: str) -> int:
        number = words.get(expect_type(value, name, str), other)
        if number is None:
            raise MalformedError(f"{name} is none of {', '.join(words)}")
        return number

    return read_word


def boolean_reader(field: Field) -> Callable[[Any, str], int]:
    """Return the reader of a BOOLEAN field."""
    values = field.values
    return lambda value, name: values[expect_type(value, name, bool)]


def read_integer(value: Any, name: str) -> int:
    """Read a JSON integer of 63 bits."""
    if type(value) is int and 0 <= value < 2**63:
        return value
    return in_63_bits(expect_type(value, name, int), name)


def read_integer_text(value: Any, name: str) -> int:
    """Read an integer of 63 bits in a string."""
    text = expect_type(value, name, str)
    require(INTEGER.fullmatch(text) is not None, f"{name} is not an integer in a string")
    return in_63_bits(int(text), name)


def read_decimal(value: Any, name: str) -> float:
    """Read a plain decimal above zero."""
    number = parse_decimal(expect_type(value, name, str), name) if value != "" else 0.0
    if number == 0:
        raise MalformedError(f"{name} is not above zero")
    return number


def read_decimal_or_none(value: Any, name: str) -> float:
    """Read a plain decimal; zero, an empty string and null, which mean none, as NaN."""
    if value is None or value == "":
        return math.nan
    return parse_decimal(expect_type(value, name, str), name) or math.nan


def read_signed_or_none(value: Any, name: str) -> float:
    """Read a plain decimal of any sign; an empty string and null, which mean none, as NaN."""
    if value is None or value == "":
        return math.nan
    text = expect_type(value, name, str)
    number = parse_decimal(text.removeprefix("-"), name)
    return -number if text.startswith("-") else number


def parse_decimal(text: str, name: str) -> float:
    """Parse a plain decimal."""
    if DECIMAL.fullmatch(text) is None:
        raise MalformedError(f"{name} is not a plain decimal")
    number = float(text)
    if number == math.inf:
        raise MalformedError(f"{name} is too large")
    return number


def read_epoch(value: Any, name: str) -> int:
    """Read the time since 1970, in the unit that its number of digits shows, as nanoseconds.

    >>> read_epoch(1735732800123, "T") == read_epoch(1735732800123000, "T")
    True
    """
    digits = len(str(read_integer(value, name)))
    if digits not in EPOCH_UNITS:
        raise MalformedError(
            f"{name} has {digits} digits: of no unit of time (s have 10, ms 13, us 16, ns 19)"
        )
    time_ns = int(value) * EPOCH_UNITS[digits]
    if time_ns > LAST_NS:
        raise MalformedError(f"{name} is out of range: read by its {digits} digits, after 2262")
    return time_ns


def read_epoch_or_none(value: Any, name: str) -> int:
    """Read a time as `read_epoch` does; 0, which means none, as NO_TIME."""
    return read_epoch(value, name) if read_integer(value, name) else NO_TIME


def read_millis(value: Any, name: str) -> int:
    """Read milliseconds as nanoseconds."""
    return in_63_bits(read_integer(value, name) * 1_000_000, name)


def read_rfc3339(value: Any, name: str) -> int:
    """Read a time in UTC as nanoseconds since the epoch.

    >>> read_rfc3339("2021-04-17T16:43:37.1Z", "time")
    1618677817100000000
    """
    match = RFC3339.fullmatch(expect_type(value, name, str))
    if match is None:
        raise MalformedError(f"{name} is not RFC 3339 with Z")
    second = second_of(match[1])
    if second is None:
        raise MalformedError(f"{name} is no moment of the calendar")
    return in_63_bits(second * 1_000_000_000 + int((match[2] or "0").ljust(9, "0")), name)


@lru_cache(maxsize=64)  # trades come many in a second
def second_of(calendar: str) -> int | None:
    """Return the seconds since the epoch; None for what is no moment.

    >>> second_of("1970-01-02T00:00:01"), second_of("2021-02-29T00:00:00")
    (86401, None)
    """
    try:
        return int(datetime.fromisoformat(calendar).replace(tzinfo=UTC).timestamp())
    except ValueError:
        return None


READERS: dict[Kind, Callable[[Any, str], int | float]] = {
    Kind.INTEGER: read_integer,
    Kind.INTEGER_TEXT: read_integer_text,
    Kind.DECIMAL: read_decimal,
    Kind.DECIMAL_OR_NONE: read_decimal_or_none,
    Kind.EPOCH: read_epoch,
    Kind.MILLIS: read_millis,
    Kind.RFC3339: read_rfc3339,
    Kind.SIGNED_OR_NONE: read_signed_or_none,
    Kind.EPOCH_OR_NONE: read_epoch_or_none,
}


def field_reader(field: Field) -> Callable[[Any, str], int | float]:
    """Return the reader of a field that is no symbol; it takes a value and the field's key."""
    if field.kind is Kind.BOOLEAN:
        return boolean_reader(field)
    if field.kind is Kind.CHOICE:
        return word_reader(field)
    read, since_ns = READERS[field.kind], field.since_ns
    if not since_ns:
        return read

    def read_time(value: Any, name: str) -> int | float:
        number = read(value, name)
        if number < since_ns:
            raise MalformedError(f"{name} is before 2000")
        if number > LAST_NS:
            raise MalformedError(f"{name} is out of range")
        return number

    return read_time


def expect_type(value: Any, name: str, kind: type) -> Any:
    """Return a value that is exactly of this type: true is no integer, and neither is 1.0."""
    if type(value) is not kind:
        raise MalformedError(
            f"{name} is missing" if value is MISSING else f"{name} is not {kind.__name__}"
        )
    return value


def in_63_bits(value: int, name: str) -> int:
    """Return a value that is within 0 .. 2^63 - 1."""
    if not 0 <= value < 2**63:
        raise MalformedError(f"{name} is out of range")
    return value
