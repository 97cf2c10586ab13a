"""Numbers of the model: whole numbers, fractions and long decimals; nothing wraps or is clamped."""

import math
from collections.abc import Iterable
from decimal import ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction

MINUTE_NS = 60 * 10**9
EXACT = Context(prec=400, rounding=ROUND_HALF_EVEN, Emax=10**6, Emin=-(10**6))
UNITS = {
    "ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9, "m": MINUTE_NS, "h": 60 * MINUTE_NS,
    "d": 1440 * MINUTE_NS,
}  # fmt: skip


def ns_of(text: str) -> int:
    """Return a duration of a job in nanoseconds.

    >>> ns_of("250ms"), ns_of("7ns")
    (250000000, 7)
    """
    digits = text.rstrip("abcdefghijklmnopqrstuvwxyz")
    return int(Fraction(digits) * UNITS[text[len(digits) :]])


def limit_of(text: str) -> int | None:
    """Return a duration in nanoseconds; None for no limit."""
    return None if text == "none" else ns_of(text)


def decimal_of(number: float) -> Decimal:
    """Return the shortest decimal of a float64."""
    return Decimal(repr(number))


def to_digits(value: Decimal, digits: int) -> Decimal:
    """Round to digits after the point, halves to even."""
    return EXACT.quantize(value, Decimal(1).scaleb(-digits))


def exact_sum(values: Iterable[float]) -> float:
    """Return the sum as the nearest float64; as floats add where one is not finite."""
    values = list(values)
    if all(map(math.isfinite, values)):
        try:
            return float(sum(map(Fraction, values), Fraction(0)))
        except OverflowError:
            return math.inf
    return math.nan if any(map(math.isnan, values)) else math.inf


def is_in_range(price: float, size: float) -> bool:
    """Return whether a trade of this price and size is one of the market."""
    return 1e-12 <= price < 1e12 and 1e-18 <= size < 1e18
