"""Prices and sizes of the market that are no multiples of an instrument's tick and lot.

    tick 0.01    printed 0.00405, 0.00404    off 2 of 2, and the coarsest tick that fits is 0.00001

Found in what the results hold: the prices and volumes of bars, and the prices of fills.
"""

from decimal import Decimal
from math import gcd
from typing import Any, NamedTuple

from tapeflow.connectors.duckdb.views.quality import PRINTED_STEPS
from tapeflow.schemas.decimals import SCALE, count_decimals

VALUES = 10_000  # distinct ones that the step which fits is computed from
SUM_DIGITS = 12  # significant ones of a volume: the others are noise of adding up


class OffStep(NamedTuple):
    """One instrument whose market prints prices off its tick, or sizes off its lot."""

    instrument: str
    step_of: str  # tick | lot
    step: Decimal
    printed: int  # prices or volumes in the results
    off: int  # of these, no multiples of the step
    example: Decimal
    fits: Decimal | None  # the coarsest step that fits all; None: the tables hold none as fine


def find_off_steps(con: Any) -> list[OffStep]:
    """Return the instruments of some results whose tick or lot does not fit their market."""
    return [complete(con, *row) for row in con.execute("FROM off_step").fetchall()]


def complete(
    con: Any, instrument: str, step_of: str, step: Decimal, printed: int, off: int, example: float
) -> OffStep:
    """Return a row of the view with the step that would fit."""
    sql = (
        f"SELECT DISTINCT value FROM ({PRINTED_STEPS}) "
        f"WHERE is_off AND instrument = ? AND step_of = ? ORDER BY value LIMIT {VALUES}"
    )
    values = con.execute(sql, [instrument, step_of]).fetchall()
    step = step.normalize()
    decimals = [to_step_decimal(value, step_of) for (value,) in values]
    first = to_step_decimal(example, step_of)
    return OffStep(instrument, step_of, step, printed, off, first, common_step([step, *decimals]))


def to_step_decimal(value: float, step_of: str) -> Decimal:
    """Return a price as it was printed, and a volume without the noise of adding up."""
    text = repr(value) if step_of == "tick" else f"{value:.{SUM_DIGITS}g}"
    return Decimal(text).normalize()


def common_step(values: list[Decimal]) -> Decimal | None:
    """Return the largest step of which all values are multiples; None: it needs too many decimals.

    >>> common_step([Decimal("0.01"), Decimal("0.00405"), Decimal("0.0040")])
    Decimal('0.00005')
    """
    if any(count_decimals(value) > SCALE for value in values):
        return None
    step = gcd(*(int(value.scaleb(SCALE)) for value in values))
    return Decimal(step).scaleb(-SCALE).normalize()
