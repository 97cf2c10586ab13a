"""The longer parts of two folds of Wilder's: the index of directional movement, the stop."""

# What an index of an array gives is Any:
# mypy: disable-error-code="no-any-return"

import math

from tapeflow.engine.compiled import inlined
from tapeflow.operators.features.ring import BARS
from tapeflow.schemas.columns import Floats2

HIGH, LOW, CLOSE, RANGE, UP, DOWN, INDEX, AVERAGE = range(1, 9)  # of adx
PAST_HIGH, PAST_LOW, IS_LONG, EXTREME, STOP, WEIGHT = range(1, 7)  # of sar


@inlined
def write_index(known: Floats2, number: int, out: Floats2, row: int, period: int) -> None:
    """Write dx, plus_di and minus_di of a bar, and the average of dx where there is one."""
    plus, minus, index = 0.0, 0.0, known[number, INDEX]
    moved = False
    if known[number, RANGE] > 0:
        plus = 100.0 * (known[number, UP] / known[number, RANGE])
        minus = 100.0 * (known[number, DOWN] / known[number, RANGE])
        if plus + minus > 0:
            index, moved = 100.0 * (abs(minus - plus) / (plus + minus)), True
    known[number, INDEX] = index
    out[1, row], out[2, row], out[3, row] = index, plus, minus
    count = known[number, BARS]
    if count <= 2 * period:
        known[number, AVERAGE] += index if moved else 0.0
        if count == 2 * period:
            known[number, AVERAGE] /= period
            out[0, row] = known[number, AVERAGE]
    else:
        if moved:
            known[number, AVERAGE] = (known[number, AVERAGE] * (period - 1) + index) / period
        out[0, row] = known[number, AVERAGE]


@inlined
def follow_stop(
    known: Floats2, number: int, high: float, low: float, step: float, most: float
) -> float:
    """Return the stop at a bar, and move it for the next one; NaN at the first bar."""
    past_high, past_low = known[number, PAST_HIGH], known[number, PAST_LOW]
    known[number, PAST_HIGH], known[number, PAST_LOW] = high, low
    if known[number, BARS] < 2:
        return math.nan
    first = min(step, most)
    if known[number, BARS] == 2:
        falls = past_low - low > 0 and past_low - low > high - past_high
        known[number, IS_LONG] = 0.0 if falls else 1.0
        known[number, EXTREME] = low if falls else high
        known[number, STOP] = past_high if falls else past_low
        known[number, WEIGHT] = first
        past_high, past_low = high, low
    sign = 1.0 if known[number, IS_LONG] > 0 else -1.0  # below: as if long, prices times the sign
    stop, extreme = sign * known[number, STOP], sign * known[number, EXTREME]
    worst, best = sign * low, sign * high
    past_worst, past_best = sign * past_low, sign * past_high
    if sign < 0:
        worst, best, past_worst, past_best = best, worst, past_best, past_worst
    weight = known[number, WEIGHT]
    if worst <= stop:  # turned: from here on as if short
        stop = max(extreme, past_best, best)
        found, weight, extreme = stop, first, worst
        stop = max(stop + weight * (extreme - stop), past_best, best)
        known[number, IS_LONG] = 0.0 if sign > 0 else 1.0
    else:
        found = stop
        if best > extreme:
            extreme, weight = best, min(weight + step, most)
        stop = min(stop + weight * (extreme - stop), past_worst, worst)
    known[number, STOP], known[number, EXTREME] = sign * stop, sign * extreme
    known[number, WEIGHT] = weight
    return sign * found
