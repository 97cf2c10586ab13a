"""Volatility of returns and of ranges, over a window of bars."""

import math

from tapeflow.engine.compiled import by_numbers, compiled
from tapeflow.operators.features.fold import Fold, bars
from tapeflow.operators.features.normalise import log_return
from tapeflow.operators.features.ring import BARS, Known, Out, begin_bar, push, sum_of
from tapeflow.schemas.columns import Bools, Floats, Ints

CLOSE, RETURNS = 1, 2
RING = 1


@compiled
@by_numbers
def realised_volatility(
    known: Known, instrument: Ints, anew: Bools, close: Floats, out: Out, period: int
) -> None:
    """Write the realised volatility: the root of the sum of `period` squared log returns.

    Source: Andersen and Bollerslev, Answering the Skeptics, 1998.
    """
    for row in range(len(close)):
        number = begin_bar(known, instrument, anew, row)
        before, known[number, CLOSE] = known[number, CLOSE], close[row]
        out[0, row] = math.nan
        if known[number, BARS] >= 2:
            latest = log_return(before, close[row])
            push(known, number, RETURNS, period, latest * latest)
            if known[number, BARS] > period:
                out[0, row] = math.sqrt(sum_of(known, number, RETURNS, period))


@compiled
@by_numbers
def parkinson(
    known: Known, instrument: Ints, anew: Bools, high: Floats, low: Floats, out: Out, period: int
) -> None:
    """Write Parkinson's volatility of a bar: the root of mean log(high / low)^2 / (4 log 2).

    Source: Parkinson, The Extreme Value Method, 1980.
    """
    for row in range(len(high)):
        number = begin_bar(known, instrument, anew, row)
        span = log_return(low[row], high[row])
        push(known, number, RING, period, span * span)
        out[0, row] = math.nan
        if known[number, BARS] >= period:
            mean = sum_of(known, number, RING, period) / period
            out[0, row] = math.sqrt(mean / (4 * math.log(2.0)))


@compiled
@by_numbers
def garman_klass(
    known: Known,
    instrument: Ints,
    anew: Bools,
    open: Floats,  # noqa: A002  # the column's name
    high: Floats,
    low: Floats,
    close: Floats,
    out: Out,
    period: int,
) -> None:
    """Write Garman's and Klass' volatility of a bar, over `period` bars.

    The root of the mean of log(high / low)^2 / 2 - (2 log 2 - 1) log(close / open)^2.
    Source: Garman and Klass, On the Estimation of Security Price Volatilities, 1980.
    """
    for row in range(len(close)):
        number = begin_bar(known, instrument, anew, row)
        span, move = log_return(low[row], high[row]), log_return(open[row], close[row])
        value = span * span / 2 - (2 * math.log(2.0) - 1) * move * move
        push(known, number, RING, period, value)
        out[0, row] = math.nan
        if known[number, BARS] >= period:
            out[0, row] = math.sqrt(max(sum_of(known, number, RING, period) / period, 0.0))


FOLDS = {
    "realised": Fold(realised_volatility, lambda period: RETURNS + period, {"period": bars(60)}),
    "parkinson": Fold(parkinson, lambda period: RING + period, {"period": bars(20)}),
    "garman_klass": Fold(garman_klass, lambda period: RING + period, {"period": bars(20)}),
}
