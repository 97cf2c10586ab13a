"""Widths of bars as people write them: 1s, 5m, 1h, 1d, 1w, 1mo, 1y.

7d, 1w  ->  opens on Mondays, as a venue's weekly bars do         1mo, 1M  ->  opens on the 1st
"""

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

from tapeflow.flows.job.duration import format_duration, parse_duration
from tapeflow.schemas.bar_width import NS_PER_DAY, NS_PER_WEEK, BarWidth

CALENDAR = re.compile(r"(\d{1,40})(w|mo|M|y)", re.ASCII)
MONTHS = {"mo": 1, "M": 1, "y": 12}


def parse_width(text: Any) -> BarWidth:
    """Return a width of bars.

    >>> parse_width("1m").span_ns, parse_width("1mo").months
    (60000000000, 1)

    Raises ValueError where the text is none, or where such bars would open at changing times of a
    day or a year.
    """
    if isinstance(text, BarWidth):
        return text
    match = CALENDAR.fullmatch(text) if isinstance(text, str) else None
    if match is None or match[2] == "w":
        return parse_span(text, text if match is None else f"{7 * int(match[1])}d")
    months = int(match[1]) * MONTHS[match[2]]
    if months not in {1, 2, 3, 4, 6, 12}:
        raise ValueError(f"{text!r} does not divide a year: write 1mo, 2mo, 3mo, 4mo, 6mo or 1y")
    return BarWidth(0, 0, months)


def parse_span(text: Any, duration: Any) -> BarWidth:
    """Return a width that is the same for all bars; `duration`: the text without weeks."""
    try:
        span_ns = parse_duration(duration)
    except ValueError as error:
        raise ValueError(f"{error}; of bars also 1w, 1mo, 3mo or 1y") from None
    if not span_ns:
        raise ValueError(f"{text!r} is not above 0")
    if NS_PER_DAY % span_ns and span_ns % NS_PER_DAY:
        raise ValueError(
            f"{text!r} neither divides a day nor is a number of days: such bars would open at "
            "another time every day; write 1s, 5m, 4h, 1d, 1w or 1mo, for example"
        )
    return BarWidth.of_span(span_ns)


def format_width(width: BarWidth) -> str:
    """Format a width as `parse_width` reads it.

    >>> format_width(parse_width("14d")), format_width(parse_width("3M"))
    ('2w', '3mo')
    """
    if width.months:
        return f"{width.months}mo"
    if width.span_ns % NS_PER_WEEK == 0:
        return f"{width.span_ns // NS_PER_WEEK}w"
    return format_duration(width.span_ns)


Width = Annotated[
    BarWidth,
    BeforeValidator(parse_width),
    PlainSerializer(format_width, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string"}),
]
