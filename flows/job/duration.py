"""Durations as people write them: 250ms, 1s, 5m, 1h. Every one is at most DURATION_MAX."""

import re
from fractions import Fraction
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, PlainSerializer, WithJsonSchema

NS = {
    "ns": 1,
    "us": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
    "d": 86400 * 10**9,
}
FORM = re.compile(r"(\d{1,40}(?:\.\d{1,40})?)(ns|us|ms|s|m|h|d)", re.ASCII)
DURATION_MAX = "36500d"  # no time that is a duration from another leaves 64 bits: see decision 16
DURATION_MAX_NS = 36_500 * NS["d"]


def parse_duration(text: Any) -> int:
    """Return the nanoseconds of a duration.

    >>> parse_duration("250ms")
    250000000

    Raises ValueError where the text is no duration, no whole number of nanoseconds, or too long.
    """
    match = FORM.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise ValueError(f"{text!r} is no duration: write 250ms, 1s, 5m, 1h or 1d")
    span = Fraction(match[1]) * NS[match[2]]
    if span.denominator != 1:
        raise ValueError(f"{text!r} is not a whole number of nanoseconds")
    if span > DURATION_MAX_NS:
        raise ValueError(f"{text!r} is too long: write at most {DURATION_MAX}")
    return int(span)


def format_duration(ns: int) -> str:
    """Format nanoseconds in the largest unit of which they are a whole number.

    >>> format_duration(250_000_000), format_duration(60_000_000_000), format_duration(0)
    ('250ms', '1m', '0s')
    """
    if not ns:
        return "0s"
    unit, size = next((unit, size) for unit, size in reversed(NS.items()) if ns % size == 0)
    return f"{ns // size}{unit}"


OFF = "none"  # of a limit


def parse_limit(text: Any) -> int | None:
    """Return the nanoseconds of a duration, or None for `none`: no limit.

    >>> parse_limit("10s"), parse_limit("none")
    (10000000000, None)

    Raises ValueError where the text is neither.
    """
    if text in (None, OFF):
        return None
    try:
        return parse_duration(text)
    except ValueError as error:
        raise ValueError(f'{error}, or "{OFF}"') from None


Duration = Annotated[
    int,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string"}),
]
Limit = Annotated[
    int | None,
    BeforeValidator(parse_limit),
    PlainSerializer(lambda ns: OFF if ns is None else format_duration(ns), when_used="json"),
    WithJsonSchema({"type": "string"}),
]


def within(least: str, most: str) -> AfterValidator:
    """Return the check that a duration is from `least` to `most`."""

    def check(span_ns: int) -> int:
        if not parse_duration(least) <= span_ns <= parse_duration(most):
            raise ValueError(f"{format_duration(span_ns)} is not from {least} to {most}")
        return span_ns

    return AfterValidator(check)
