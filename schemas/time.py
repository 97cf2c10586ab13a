"""Times and positions in the log. Times are int64 nanoseconds since the Unix epoch, UTC."""

from datetime import UTC, datetime
from typing import Annotated

Ns = Annotated[int, "ns"]  # nanoseconds since the Unix epoch, UTC
LogPosition = tuple[int, str, int]  # (log_ns, partition, offset): where in the log order

MIN_NS, MAX_NS = -(2**63), 2**63 - 1  # before and after every time that a log can hold
LAST_NS = MAX_NS - 1  # the last time of a TIMESTAMP_NS: MAX_NS is infinity there
LOG_MIN_NS = 946_684_800_000_000_000  # 2000-01-01: no log is older, so a wrong unit is seen
LOG_MAX_NS = 7_258_118_400_000_000_000  # 2200-01-01: every log time lies before it
NO_TIME = -1  # the venue sent no time
NS_PER_MS = 1_000_000
NS_PER_SECOND = 1_000_000_000
NS_PER_MINUTE = 60_000_000_000
LOG_UNITS = {10: ("s", 10**9), 13: ("ms", 10**6), 16: ("us", 10**3), 19: ("ns", 1)}  # by digits
KNOWN_UNITS = ", ".join(f"{digits} are {unit}" for digits, (unit, _) in LOG_UNITS.items())


def format_time(time_ns: int) -> str:
    """Return a time as a reader of a message wants it.

    >>> format_time(1_700_000_000_057_000_000)
    '2023-11-14 22:13:20.057'
    """
    seconds, rest_ns = divmod(time_ns, 10**9)
    moment = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")
    return f"{moment}.{rest_ns:09d}".rstrip("0").rstrip(".")


def format_seconds(ns: int) -> str:
    """Return a duration in seconds, with the digits that it has.

    >>> format_seconds(2), format_seconds(31_536_010_000_000_000)
    ('0.000000002', '31,536,010')
    """
    return f"{ns / 1e9:,.9f}".rstrip("0").rstrip(".")
