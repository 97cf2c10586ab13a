"""Where bars begin and end: spans from an origin, weeks from Mondays, months of the calendar."""

from datetime import UTC, datetime, timedelta

from bench.simulation.numbers import ns_of

DAY_NS = 86_400 * 10**9
MONDAY_NS = 4 * DAY_NS  # 1970-01-05
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def bar_bounds(width: str, event_ns: int) -> tuple[int, int]:
    """Return start and end of the bar that an event is in.

    >>> bar_bounds("1s", 1_700_000_000)
    (1000000000, 2000000000)
    """
    if width.endswith("mo"):
        months = int(width.removesuffix("mo"))
        day = EPOCH + timedelta(days=event_ns // DAY_NS)
        month = (day.year * 12 + day.month - 1) // months * months
        return month_ns(month), month_ns(month + months)
    width_ns = ns_of(width)
    origin_ns = 0 if width_ns % (7 * DAY_NS) else MONDAY_NS
    start_ns = event_ns - (event_ns - origin_ns) % width_ns
    return start_ns, start_ns + width_ns


def month_ns(month: int) -> int:
    """Return the start of a month, counted from year 0."""
    return (datetime(month // 12, month % 12 + 1, 1, tzinfo=UTC) - EPOCH).days * DAY_NS
