"""Money of a job: numbers that the tables can hold, and the decimals that its orders need.

tick 0.01 * lot 0.00000001 * multiplier 1  =  0.0000000001   one tick of the least fill: 10 decimals
"""

from collections.abc import Iterable
from decimal import Decimal, localcontext
from typing import Annotated

from pydantic import AfterValidator, Field

from tapeflow.schemas.decimals import (
    DECIMAL_CONTEXT,
    PRICE_MAX,
    SCALE,
    VALUE_MAX,
    count_decimals,
)
from tapeflow.schemas.errors import UsageError
from tapeflow.schemas.instruments import InstrumentTable
from tapeflow.schemas.signals import DeclaredStrategy

LEAST_DIGITS = 8


def check_decimals(value: Decimal) -> Decimal:
    """Return a value that the tables can hold; ValueError where it has too many decimals."""
    if count_decimals(value) - count_zeros(value) > SCALE:
        raise ValueError(f"{value} has more than the {SCALE} decimals that the tables hold")
    return value


def count_zeros(value: Decimal) -> int:
    """Return the zeros that the digits of a decimal end in.

    >>> count_zeros(Decimal("0.0500"))
    2
    """
    digits = "".join(map(str, value.as_tuple().digits))
    return len(digits) - len(digits.rstrip("0")) if value else len(digits) + count_decimals(value)


DecimalText = Annotated[Decimal, AfterValidator(check_decimals)]
Positive = Annotated[DecimalText, Field(gt=0, lt=10**12)]


def count_money_digits(
    strategies: Iterable[DeclaredStrategy], table: InstrumentTable, *, in_parts: bool
) -> int:
    """Return the decimals of one tick of any fill of these strategies, at least LEAST_DIGITS.

    Where orders fill in parts, or their size is not known before, the least fill is a lot; of a
    finer one the tables hold SCALE decimals. What an inverse contract is worth, value / price, has
    no end: LEAST_DIGITS.

    Raises UsageError where the tables do not hold as many as one tick of a whole order needs.
    """
    digits = LEAST_DIGITS
    for strategy in strategies:
        for name in sorted(strategy.instruments):
            row = table.get(name)
            if row.inverse:
                continue
            with localcontext(DECIMAL_CONTEXT):
                worth = (row.tick * strategy.size * row.multiplier).normalize()  # 0: not known
                of_lot = (row.tick * row.lot * row.multiplier).normalize()
                least = of_lot if in_parts or strategy.has_any_size else worth
            if count_decimals(worth) > SCALE:
                raise UsageError(
                    f"strategies.{strategy.name}: one tick of an order of {strategy.size} {name} "
                    f"is {worth} {row.settlement}, finer than the {SCALE} decimals of the tables: "
                    "trade a larger size, or let [results] money_digits round it"
                )
            digits = max(digits, min(count_decimals(least), SCALE))
    return digits


def check_largest_position(
    strategy: DeclaredStrategy, position_max: Decimal, table: InstrumentTable
) -> None:
    """Refuse a limit of the position whose value the tables could not hold at every price.

    Raises UsageError, naming the strategy and the instrument.
    """
    for name in sorted(strategy.instruments):
        units = DECIMAL_CONTEXT.multiply(position_max, table.get(name).multiplier)
        if units * Decimal(PRICE_MAX) >= VALUE_MAX:
            raise UsageError(
                f"accounts.{strategy.account}: position_max {position_max} of {name} with its "
                f"multiplier {table.get(name).multiplier} may be worth more than the tables hold: "
                "lower position_max"
            )
