"""The values of single fields, read exactly, or refused with a reason that names the field."""

import math
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from tapeflow.operators.decode.messages import MalformedError, require
from tapeflow.schemas.time import LAST_NS
from tapeflow.schemas.venues.dialect import Field, Kind

MISSING = object()
DECIMAL = re.compile(r"[0-9]+(\.[0-9]+)?")
INTEGER = re.compile(r"0|[1-9][0-9]{0,18}")
RFC3339 = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?Z", re.ASCII)
EPOCH_UNITS = {10: 1_000_000_000, 13: 1_000_000, 16: 1_000, 19: 1}  # ns, by number of digits


def read_word(field: Field, name: str, text: str) -> int:
    """Read one of the texts of a CHOICE field as its value."""
    words = dict(field.words)
    other = words.pop("", None)
    value = words.get(text, other)
    if value is None:
        raise MalformedError(f"{name} is none of {', '.join(words)}")
    return value


def read_integer(value: Any, name: str) -> int:
    """Read a JSON integer of 63 bits."""
    return in_63_bits(expect_type(value, name, int), name)


def read_integer_text(value: Any, name: str) -> int:
    """Read an integer of 63 bits in a string."""
    text = expect_type(value, name, str)
    require(INTEGER.fullmatch(text) is not None, f"{name} is not an integer in a string")
    return in_63_bits(int(text), name)


def read_decimal(value: Any, name: str) -> float:
    """Read a plain decimal above zero."""
    number = read_decimal_or_none(expect_type(value, name, str), name)
    require(number > 0, f"{name} is not above zero")
    return number


def read_decimal_or_none(value: Any, name: str) -> float:
    """Read a plain decimal; zero, an empty string and null, which mean none, as NaN."""
    if value is None or value == "":
        return math.nan
    text = expect_type(value, name, str)
    require(DECIMAL.fullmatch(text) is not None, f"{name} is not a plain decimal")
    number = float(text)
    require(math.isfinite(number), f"{name} is too large")
    return number or math.nan


def read_epoch(value: Any, name: str) -> int:
    """Read the time since 1970, in the unit that its number of digits shows, as nanoseconds.

    >>> read_epoch(1735732800123, "T") == read_epoch(1735732800123000, "T")
    True
    """
    digits = len(str(read_integer(value, name)))
    require(
        digits in EPOCH_UNITS,
        f"{name} has {digits} digits: of no unit of time (s have 10, ms 13, us 16, ns 19)",
    )
    time_ns = value * EPOCH_UNITS[digits]
    require(time_ns <= LAST_NS, f"{name} is out of range: read by its {digits} digits, after 2262")
    return int(time_ns)


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
    Kind.DECIMAL_OR_NONE: read_decimal_or_none,
    Kind.EPOCH: read_epoch,
    Kind.MILLIS: read_millis,
    Kind.RFC3339: read_rfc3339,
}


def expect_type(value: Any, name: str, kind: type) -> Any:
    """Return a value that is exactly of this type: true is no integer, and neither is 1.0."""
    require(value is not MISSING, f"{name} is missing")
    require(type(value) is kind, f"{name} is not {kind.__name__}")
    return value


def in_63_bits(value: int, name: str) -> int:
    """Return a value that is within 0 .. 2^63 - 1."""
    require(0 <= value < 2**63, f"{name} is out of range")
    return value
