"""Values as people read them: money, prices, shares, times and durations."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

MINUS, NONE = "\u2212", "–"
SMALL = Decimal("0.01")  # below it a number is shown by its digits rather than by its places


def number(value: object, places: int = 2) -> str:
    """Return a number with separators and a real minus; a small one by its first digits.

    >>> number("-1234.5"), number("0.00123456"), number("0"), number(None)
    ('−1,234.50', '0.001235', '0.00', '–')
    """
    if value is None or value == "":
        return NONE
    exact = Decimal(str(value))
    if exact and abs(exact) < SMALL and places:
        digits = 3 - exact.adjusted()
        text = f"{exact:.{digits}f}".rstrip("0")
    else:
        text = f"{exact:,.{places}f}"
    zero = not any(digit in "123456789" for digit in text)
    return text.removeprefix("-") if zero else text.replace("-", MINUS)


def exact(value: object) -> str:
    """Return a price or size with all its digits.

    >>> exact("91459.82"), exact(None), exact(0.1)
    ('91,459.82', '–', '0.1')
    """
    if value is None or value == "":
        return NONE
    whole, point, rest = f"{Decimal(str(value)):f}".partition(".")
    rest = rest.rstrip("0")
    return f"{int(whole):,}".replace("-", MINUS) + (point + rest if rest else "")


def change(value: object) -> str:
    """Return a difference with its sign; of whole numbers without places.

    >>> change(5), change("-0.5"), change(0)
    ('+5', '−0.50', '0')
    """
    if value is None:
        return NONE
    text = number(value, 0 if isinstance(value, int) else 2)
    return f"+{text}" if Decimal(str(value)) > 0 else text


def share(value: object) -> str:
    """Return a share as a percentage.

    >>> share(0.123456)
    '12.35 %'
    """
    if value is None:
        return NONE
    percent = Decimal(str(value)) * 100
    places = 2 if abs(percent) >= SMALL or not percent else 1 - percent.adjusted()
    return f"{percent:,.{places}f} %".replace("-", MINUS)


def price(value: object) -> str:
    """Return an average price to eight digits; one with fewer digits has all of them.

    >>> price("81.353333333333"), price("91459.82")
    ('81.353333', '91,459.82')
    """
    return exact(f"{Decimal(str(value)):.8g}") if value not in {None, ""} else NONE


def moment(value: object) -> str:
    """Return a time to the millisecond; whole seconds without a fraction.

    >>> moment("2026-01-05 09:00:43.46336"), moment("2026-01-05 09:00:43")
    ('2026-01-05 09:00:43.463', '2026-01-05 09:00:43')
    """
    if value is None or value == "":
        return NONE
    second, _, fraction = str(value).partition(".")
    return f"{second}.{fraction[:3].ljust(3, '0')}" if fraction.strip("0") else second


def duration(value: object) -> str:
    """Return nanoseconds as a duration of two units.

    >>> duration(3_723_000_000_000), duration(250_000_000), duration(None)
    ('1 h 2 min', '250 ms', '–')
    """
    if value is None:
        return NONE
    whole = int(Decimal(str(value)))
    if whole < 0:
        return MINUS + duration(-whole)
    ms = whole // 1_000_000
    if ms < 1000:
        return f"{ms} ms"
    if ms < 60_000:
        return f"{ms / 1000:.4g} s"
    for size, name, next_size, next_name in UNITS:
        if ms >= size:
            rest = ms % size // next_size
            return f"{ms // size} {name}" + (f" {rest} {next_name}" if rest else "")
    return NONE


UNITS = (
    (86_400_000, "d", 3_600_000, "h"),
    (3_600_000, "h", 60_000, "min"),
    (60_000, "min", 1000, "s"),
)
FORMS: dict[str, Callable[[Any], str]] = {
    "text": lambda value: NONE if value is None or value == "" else str(value),
    "money": number,
    "signed": number,
    "number": number,
    "change": change,
    "count": lambda value: number(value, 0),
    "exact": exact,
    "share": share,
    "price": price,
    "link": str,
    "time": moment,
    "duration": duration,
}
