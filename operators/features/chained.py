"""Averages of averages, which lag less than one."""

from tapeflow.engine.compiled import by_numbers, compiled
from tapeflow.operators.features.fold import Fold, bars, real
from tapeflow.operators.features.ring import Known, Out, begin_bar, smooth
from tapeflow.schemas.columns import Bools, Floats, Ints

A, B, C, D, E, F = 1, 3, 5, 7, 9, 11  # columns of the averages, two each


@compiled
@by_numbers
def dema(known: Known, instrument: Ints, anew: Bools, close: Floats, out: Out, period: int) -> None:
    """Write the double exponential average: 2 e1 - e2, e1 the `ema` and e2 the `ema` of e1.

    Source: Mulloy, Smoothing data with faster moving averages, 1994.
    """
    for row in range(len(close)):
        number = begin_bar(known, instrument, anew, row)
        first = smooth(known, number, A, period, close[row])
        second = smooth(known, number, B, period, first)
        out[0, row] = 2.0 * first - second


@compiled
@by_numbers
def tema(known: Known, instrument: Ints, anew: Bools, close: Floats, out: Out, period: int) -> None:
    """Write the triple exponential average: 3 e1 - 3 e2 + e3, each the `ema` of the one before.

    Source: Mulloy, Smoothing data with faster moving averages, 1994.
    """
    for row in range(len(close)):
        number = begin_bar(known, instrument, anew, row)
        first = smooth(known, number, A, period, close[row])
        second = smooth(known, number, B, period, first)
        third = smooth(known, number, C, period, second)
        out[0, row] = 3.0 * first - 3.0 * second + third


@compiled
@by_numbers
def t3(
    known: Known,
    instrument: Ints,
    anew: Bools,
    close: Floats,
    out: Out,
    period: int,
    factor: float,
) -> None:
    """Write Tillson's average: the generalised `dema`, e1 (1 + factor) - e2 factor, three times.

    Source: Tillson, Better moving averages, 1998.
    """
    square, cube = factor * factor, factor * factor * factor
    for row in range(len(close)):
        number = begin_bar(known, instrument, anew, row)
        first = smooth(known, number, A, period, close[row])
        second = smooth(known, number, B, period, first)
        third = smooth(known, number, C, period, second)
        fourth = smooth(known, number, D, period, third)
        fifth = smooth(known, number, E, period, fourth)
        sixth = smooth(known, number, F, period, fifth)
        out[0, row] = (
            -cube * sixth
            + 3 * (square + cube) * fifth
            - (6 * square + 3 * (factor + cube)) * fourth
            + (1 + 3 * factor + cube + 3 * square) * third
        )


FOLDS = {
    "dema": Fold(dema, lambda period: C, {"period": bars(20)}),
    "tema": Fold(tema, lambda period: D, {"period": bars(20)}),
    "t3": Fold(t3, lambda **_: F + 2, {"period": bars(5, 2), "factor": real(0.7, 0, 1)}),
}
