"""Average prices weighted by volume."""

import math

from tapeflow.engine.compiled import by_numbers, compiled
from tapeflow.operators.features.fold import Fold, bars
from tapeflow.operators.features.ring import BARS, Known, Out, begin_bar, push, sum_of
from tapeflow.schemas.columns import Bools, Floats, Ints

RING = 1
DAY, NOTIONAL, TRADED = 1, 2, 3  # columns of vwap: the day, counted from 1
DAY_NS = 86_400_000_000_000


@compiled
@by_numbers
def vwap(
    known: Known,
    instrument: Ints,
    anew: Bools,
    open_ns: Ints,
    notional: Floats,
    volume: Floats,
    out: Out,
) -> None:
    """Write the average price of the trades of a day of UTC so far: sum notional / sum volume.

    A bar is of the day in which it begins.
    """
    for row in range(len(volume)):
        number = begin_bar(known, instrument, anew, row)
        day = open_ns[row] // DAY_NS + 1
        if day != known[number, DAY]:
            known[number, DAY] = day
            known[number, NOTIONAL] = known[number, TRADED] = 0.0
        known[number, NOTIONAL] += notional[row]
        known[number, TRADED] += volume[row]
        out[0, row] = math.nan
        if known[number, TRADED] > 0:
            out[0, row] = known[number, NOTIONAL] / known[number, TRADED]


@compiled
@by_numbers
def vwma(
    known: Known,
    instrument: Ints,
    anew: Bools,
    close: Floats,
    volume: Floats,
    out: Out,
    period: int,
) -> None:
    """Write the mean of `period` closes weighted by volume: sum close * volume / sum volume."""
    for row in range(len(close)):
        number = begin_bar(known, instrument, anew, row)
        push(known, number, RING, period, close[row] * volume[row])
        push(known, number, RING + period, period, volume[row])
        out[0, row] = math.nan
        if known[number, BARS] >= period:
            total = sum_of(known, number, RING + period, period)
            if total > 0:
                out[0, row] = sum_of(known, number, RING, period) / total


FOLDS = {
    "vwap": Fold(vwap, lambda: TRADED + 1),
    "vwma": Fold(vwma, lambda period: RING + 2 * period, {"period": bars(20)}),
}
