"""Durations as people write them: 250ms, 1s, 5m, 1h."""

import re
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

NS = {
    "ns": 1,
    "us": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
    "d": 86400 * 10**9,
}
FORM = re.compile(r"(\d+(?:\.\d+)?)(ns|us|ms|s|m|h|d)")


def parse_duration(text: Any) -> int:
    """Return the nanoseconds of a duration.

    >>> parse_duration("250ms")
    250000000

    Raises ValueError where the text is no duration, or no whole number of nanoseconds.
    """
    match = FORM.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise ValueError(f"{text!r} is no duration: write 250ms, 1s, 5m, 1h or 1d")
    span = Decimal(match[1]) * NS[match[2]]
    if span != int(span):
        raise ValueError(f"{text!r} is not a whole number of nanoseconds")
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
        span_ns = parse_duration(text)
    except ValueError as error:
        raise ValueError(f'{error}, or "{OFF}"') from None
    if span_ns >= 2**63:
        raise ValueError(f'{text!r} is above 292 years: write "{OFF}"')
    return span_ns


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
