"""Exact decimals: no sum of money is ever rounded but where a rule says so."""

from decimal import ROUND_HALF_EVEN, Context, Decimal

MONEY = Context(
    prec=60, rounding=ROUND_HALF_EVEN
)  # wide enough for any product of ours to be exact
PRICE_MIN, PRICE_MAX = 1e-12, 1e12  # that money is counted at; a market beyond is not traded
SCALE = 12  # digits after the point that a table keeps: DECIMAL(38, 12)


def exact(price: float) -> Decimal:
    """The decimal that the venue wrote: the shortest that reads as this float64.

    >>> exact(61837.63)
    Decimal('61837.63')
    """
    return Decimal(repr(price))


def to_table(price: Decimal) -> Decimal:
    """As a table keeps a price that is only shown: rounded, and not beyond what fits.

    >>> to_table(Decimal("1E+300")), to_table(Decimal("0.12345678901234"))
    (Decimal('1000000000000.000000000000'), Decimal('0.123456789012'))
    """
    return to_digits(min(price, Decimal(PRICE_MAX)), SCALE)


def to_step(value: Decimal, step: Decimal) -> Decimal:
    """The nearest multiple of a tick or a lot, halves to even.

    >>> to_step(Decimal("1.26"), Decimal("0.5"))
    Decimal('1.5')
    """
    steps = MONEY.to_integral_value(MONEY.divide(value, step))
    return MONEY.multiply(steps, step)


def to_digits(value: Decimal, digits: int) -> Decimal:
    """Rounded to a number of digits after the point, halves to even.

    >>> to_digits(Decimal("0.0000000051"), 8)
    Decimal('1E-8')
    """
    return MONEY.quantize(value, Decimal(1).scaleb(-digits))
