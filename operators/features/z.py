"""Z-scores: a value among the last ones of its instrument, in standard deviations."""

import math

from tapeflow.engine.compiled import by_numbers, compiled
from tapeflow.operators.features.fold import Fold, bars
from tapeflow.operators.features.normalise import log_return
from tapeflow.operators.features.ring import BARS, Known, Out, begin_bar, mean_of, push, squares_of
from tapeflow.schemas.columns import Bools, Floats, Ints

CLOSE, RETURNS = 1, 2
RING = 1


@compiled
@by_numbers
def z(known: Known, instrument: Ints, anew: Bools, close: Floats, out: Out, period: int) -> None:
    """Write (close - mean) / standard deviation of `period` closes, the last one among them.

    The deviation is the population's; None where closes do not differ.
    """
    for row in range(len(close)):
        number = begin_bar(known, instrument, anew, row)
        push(known, number, RING, period, close[row])
        out[0, row] = math.nan
        if known[number, BARS] >= period:
            mean = mean_of(known, number, RING, period)
            sigma = math.sqrt(squares_of(known, number, RING, period, mean) / period)
            if sigma > 0:
                out[0, row] = (close[row] - mean) / sigma


@compiled
@by_numbers
def zret(known: Known, instrument: Ints, anew: Bools, close: Floats, out: Out, period: int) -> None:
    """Write (return - mean) / standard deviation of the `period` log returns before it.

    The deviation is the population's; None where returns do not differ. It is the score of
    `reversion`, with a window of its own.
    """
    for row in range(len(close)):
        number = begin_bar(known, instrument, anew, row)
        before, known[number, CLOSE] = known[number, CLOSE], close[row]
        out[0, row] = math.nan
        if known[number, BARS] < 2:
            continue
        latest = log_return(before, close[row])
        if known[number, BARS] > period + 1:
            mean = mean_of(known, number, RETURNS, period)
            sigma = math.sqrt(squares_of(known, number, RETURNS, period, mean) / period)
            if sigma > 0:
                out[0, row] = (latest - mean) / sigma
        push(known, number, RETURNS, period, latest)


FOLDS = {
    "z": Fold(z, lambda period: RING + period, {"period": bars(60, 2)}),
    "zret": Fold(zret, lambda period: RETURNS + period, {"period": bars(60, 2)}),
}
