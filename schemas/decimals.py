"""Exact decimals: money is rounded only where a rule says so."""

from decimal import ROUND_HALF_EVEN, Context, Decimal
from functools import cache

# 60 digits: every product that is computed here is exact.
DECIMAL_CONTEXT = Context(prec=60, rounding=ROUND_HALF_EVEN)
PRICE_MIN, PRICE_MAX = 1e-12, 1e12  # only prices in [PRICE_MIN, PRICE_MAX) are traded
SIZE_MIN, SIZE_MAX = 1e-18, 1e18  # of trades: sizes in [SIZE_MIN, SIZE_MAX)
SCALE = 12  # digits after the point in a table: DECIMAL(38, 12)
VALUE_MAX = Decimal(10) ** (38 - SCALE)  # every value of a table is below


def to_decimal(price: float) -> Decimal:
    """Return the shortest decimal that reads as this float64: the one that the venue wrote.

    >>> to_decimal(61837.63)
    Decimal('61837.63')
    """
    return Decimal(repr(price))


def clamp_for_table(price: Decimal) -> Decimal:
    """Clamp and round a price that is only displayed to what a table column can hold.

    >>> clamp_for_table(Decimal("1E+300")), clamp_for_table(Decimal("0.12345678901234"))
    (Decimal('1000000000000.000000000000'), Decimal('0.123456789012'))
    """
    return round_to_digits(min(price, Decimal(PRICE_MAX)), SCALE)


def to_table_decimal(price: float) -> Decimal:
    """Return a price as the venue wrote it; its digits beyond SCALE, if any, are rounded.

    >>> to_table_decimal(0.00405), to_table_decimal(0.0123456789012345)
    (Decimal('0.00405'), Decimal('0.012345678901'))
    """
    return fit_table(to_decimal(price))


def fit_table(value: Decimal) -> Decimal:
    """Return a value as it is; its digits beyond SCALE, if any, are rounded."""
    return value if count_decimals(value) <= SCALE else round_to_digits(value, SCALE)


def count_decimals(value: Decimal) -> int:
    """Return the digits after the point that a decimal is written with.

    >>> count_decimals(Decimal("0.050")), count_decimals(Decimal("1E+3"))
    (3, 0)
    """
    exponent = value.as_tuple().exponent
    assert isinstance(exponent, int), "no number"
    return max(0, -exponent)


def round_to_digits(value: Decimal, digits: int) -> Decimal:
    """Round to a number of digits after the point, halves to even.

    >>> round_to_digits(Decimal("0.0000000051"), 8)
    Decimal('1E-8')
    """
    return DECIMAL_CONTEXT.quantize(value, step_of(digits))


@cache
def step_of(digits: int) -> Decimal:
    """Return the least step of a number with so many digits after the point: 0.01 of 2."""
    return Decimal(1).scaleb(-digits)
