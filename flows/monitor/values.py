"""Values as the monitor writes them; `-` is what is not known."""

from datetime import UTC, datetime
from decimal import Decimal

UNKNOWN = "-"
DAY_NS = 86_400 * 10**9


def write_money(value: Decimal | None) -> str:
    """Return an amount to two digits after the point.

    >>> write_money(Decimal("-1234.5678")), write_money(None)
    ('-1,234.57', '-')
    """
    return UNKNOWN if value is None else f"{value:,.2f}"


def write_exact(value: Decimal | None) -> str:
    """Return a price or size with all its digits, without zeros behind them.

    >>> write_exact(Decimal("0.1000")), write_exact(Decimal("81.353333333333"))
    ('0.1', '81.353333333333')
    """
    if value is None:
        return UNKNOWN
    text = f"{value:,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def write_count(value: float | None) -> str:
    """Return a number of things, or a rate, without a fraction."""
    return UNKNOWN if value is None else f"{value:,.0f}"


def write_share(value: float | None) -> str:
    """Return a share in percent.

    >>> write_share(0.4935)
    '49 %'
    """
    return UNKNOWN if value is None else f"{100 * value:.0f} %"


def write_span(seconds: float | None) -> str:
    """Return a duration, shorter ones more exactly.

    >>> write_span(0.0312), write_span(12.3), write_span(90), write_span(200_000)
    ('0.03 s', '12 s', '1:30', '2 d 7 h')
    """
    if seconds is None:
        return UNKNOWN
    if seconds < 10:
        return f"{seconds:.2f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours >= 24:
        return f"{hours // 24} d {hours % 24} h"
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def write_ms(value: float | None) -> str:
    """Return milliseconds."""
    return UNKNOWN if value is None else f"{value:,.0f} ms"


def write_time(time_ns: int | None, now_ns: int | None = None) -> str:
    """Return a time to the second, in UTC; without the day where it is that of `now_ns`.

    >>> write_time(1767603899989039000), write_time(1767603899989039000, 1767603900000000000)
    ('2026-01-05 09:04:59', '09:04:59')
    """
    if time_ns is None:
        return UNKNOWN
    time = datetime.fromtimestamp(time_ns // 10**9, UTC)
    same_day = now_ns is not None and time_ns // DAY_NS == now_ns // DAY_NS
    return f"{time:%H:%M:%S}" if same_day else f"{time:%Y-%m-%d %H:%M:%S}"
