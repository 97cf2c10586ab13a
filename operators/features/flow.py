"""Order flow: volume taken by buyers and by sellers, and what it costs."""

import math

from tapeflow.engine.compiled import by_numbers, compiled
from tapeflow.operators.features.fold import Fold, bars
from tapeflow.operators.features.normalise import log_return
from tapeflow.operators.features.ring import BARS, Known, Out, begin_bar, mean_of, push, sum_of
from tapeflow.schemas.columns import Bools, Floats, Ints

RING = 1
CLOSE, CHANGE, PRODUCTS = 1, 2, 3


@compiled
@by_numbers
def imbalance(
    known: Known,
    instrument: Ints,
    anew: Bools,
    volume: Floats,
    buy_volume: Floats,
    out: Out,
    period: int,
) -> None:
    """Write (bought - sold) / traded volume of `period` bars, from -1 to 1, by their takers."""
    for row in range(len(volume)):
        number = begin_bar(known, instrument, anew, row)
        push(known, number, RING, period, 2 * buy_volume[row] - volume[row])
        push(known, number, RING + period, period, volume[row])
        out[0, row] = math.nan
        if known[number, BARS] >= period:
            total = sum_of(known, number, RING + period, period)
            if total > 0:
                out[0, row] = sum_of(known, number, RING, period) / total


@compiled
@by_numbers
def vpin(
    known: Known,
    instrument: Ints,
    anew: Bools,
    volume: Floats,
    buy_volume: Floats,
    out: Out,
    period: int,
) -> None:
    """Write the share of one-sided volume: sum |bought - sold| / sum volume of `period` bars.

    Of `volume:` bars it is VPIN. Source: Easley, Lopez de Prado, O'Hara, Flow Toxicity, 2012.
    """
    for row in range(len(volume)):
        number = begin_bar(known, instrument, anew, row)
        push(known, number, RING, period, abs(2 * buy_volume[row] - volume[row]))
        push(known, number, RING + period, period, volume[row])
        out[0, row] = math.nan
        if known[number, BARS] >= period:
            total = sum_of(known, number, RING + period, period)
            if total > 0:
                out[0, row] = sum_of(known, number, RING, period) / total


@compiled
@by_numbers
def roll(known: Known, instrument: Ints, anew: Bools, close: Floats, out: Out, period: int) -> None:
    """Write Roll's spread: 2 sqrt(-c), c the mean of change * change before over `period` bars.

    None where c is above 0: closes do not bounce then.
    Source: Roll, A Simple Implicit Measure of the Effective Bid-Ask Spread, 1984.
    """
    for row in range(len(close)):
        number = begin_bar(known, instrument, anew, row)
        change, before = close[row] - known[number, CLOSE], known[number, CHANGE]
        known[number, CLOSE], known[number, CHANGE] = close[row], change
        out[0, row] = math.nan
        if known[number, BARS] < 3:
            continue
        push(known, number, PRODUCTS, period, change * before)
        if known[number, BARS] >= period + 2:
            mean = mean_of(known, number, PRODUCTS, period)
            if mean <= 0:
                out[0, row] = 2 * math.sqrt(-mean)


@compiled
@by_numbers
def amihud(
    known: Known,
    instrument: Ints,
    anew: Bools,
    close: Floats,
    notional: Floats,
    out: Out,
    period: int,
) -> None:
    """Write Amihud's illiquidity: the mean of |log return| / notional of `period` bars.

    Source: Amihud, Illiquidity and Stock Returns, 2002.
    """
    for row in range(len(close)):
        number = begin_bar(known, instrument, anew, row)
        before, known[number, CLOSE] = known[number, CLOSE], close[row]
        out[0, row] = math.nan
        if known[number, BARS] < 2:
            continue
        impact = 0.0
        if notional[row] > 0:
            impact = abs(log_return(before, close[row])) / notional[row]
        push(known, number, 2, period, impact)
        if known[number, BARS] > period:
            out[0, row] = mean_of(known, number, 2, period)


@compiled
@by_numbers
def kyle(
    known: Known,
    instrument: Ints,
    anew: Bools,
    close: Floats,
    volume: Floats,
    buy_volume: Floats,
    out: Out,
    period: int,
) -> None:
    """Write Kyle's lambda: the slope of changes of closes over bought - sold volume.

    By least squares through `period` bars. Source: Kyle, Continuous Auctions, 1985.
    """
    for row in range(len(close)):
        number = begin_bar(known, instrument, anew, row)
        change, known[number, CLOSE] = close[row] - known[number, CLOSE], close[row]
        out[0, row] = math.nan
        if known[number, BARS] < 2:
            continue
        push(known, number, 2, period, 2 * buy_volume[row] - volume[row])
        push(known, number, 2 + period, period, change)
        if known[number, BARS] > period:
            flow_mean = mean_of(known, number, 2, period)
            change_mean = mean_of(known, number, 2 + period, period)
            products = squares = 0.0
            for at in range(2, 2 + period):
                off = known[number, at] - flow_mean
                products += off * (known[number, at + period] - change_mean)
                squares += off * off
            if squares > 0:
                out[0, row] = products / squares


FOLDS = {
    "imbalance": Fold(imbalance, lambda period: RING + 2 * period, {"period": bars(20)}),
    "vpin": Fold(vpin, lambda period: RING + 2 * period, {"period": bars(50)}),
    "roll": Fold(roll, lambda period: PRODUCTS + period, {"period": bars(60)}),
    "amihud": Fold(amihud, lambda period: 2 + period, {"period": bars(60)}),
    "kyle": Fold(kyle, lambda period: 2 + 2 * period, {"period": bars(60, 2)}),
}
