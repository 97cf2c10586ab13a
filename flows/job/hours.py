"""Hours of trading as people write them: 08:00-17:00, Mon-Fri 08:00-17:00, Sun 22:00-02:00; UTC."""

import re

from tapeflow.schemas.limits import Hours

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
DAY_MINUTES = 24 * 60
HOURS = re.compile(r"(?:([A-Z][a-z]{2})(?:-([A-Z][a-z]{2}))? )?(\d\d):(\d\d)-(\d\d):(\d\d)")


def parse_hours(text: str) -> tuple[Hours, ...]:
    """Return the spans of a week that a text names, in UTC.

    >>> parse_hours("Mon-Tue 08:00-17:00")
    (Hours(begin=480, end=1020), Hours(begin=1920, end=2460))

    Raises ValueError where the text names none.
    """
    match = HOURS.fullmatch(text)
    if match is None or not {match[1], match[2]} - {None} <= {*DAYS}:
        raise ValueError(f"{text!r} is no span: write 08:00-17:00 or Mon-Fri 08:00-17:00, in UTC")
    first, last = match[1] or DAYS[0], match[2] or match[1] or DAYS[-1]
    begin, end = int(match[3]) * 60 + int(match[4]), int(match[5]) * 60 + int(match[6])
    if max(begin, end) > DAY_MINUTES or begin == end or int(match[4]) > 59 or int(match[6]) > 59:
        raise ValueError(f"{text!r} is no span of a day: it ends after it begins, or the day after")
    length = (DAYS.index(last) - DAYS.index(first)) % len(DAYS) + 1
    days = ((DAYS.index(first) + number) % len(DAYS) for number in range(length))
    next_day = DAY_MINUTES if end < begin else 0
    week = DAY_MINUTES * len(DAYS)
    return tuple(
        Hours(day * DAY_MINUTES + begin, (day * DAY_MINUTES + next_day + end - 1) % week + 1)
        for day in days
    )


def check_hours(text: str) -> str:
    """Return a text that names hours. Raises ValueError."""
    parse_hours(text)
    return text
