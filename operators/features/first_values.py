"""At which bar a feature has its first value: found by computing it over made-up bars.

first_values(FOLDS["macd"], {"fast": 12, "slow": 26, "signal": 9})   (34, 34, 34)
"""

from typing import Any

import numpy as np

from tapeflow.operators.features.fold import Fold
from tapeflow.schemas.market import Bars

LONGEST = 1 << 18  # bars


def first_values(fold: Fold, params: dict[str, int | float]) -> tuple[int, ...]:
    """Return for each output the number, from 1 on, of the bar at which it has its first value.

    It is that of prices that move up and down; some features have none where prices do not.
    """
    count = 64
    while count < LONGEST:
        bars = wave(count)
        out = np.empty((len(fold.outputs), count))
        columns = [getattr(bars, each) for each in fold.columns]
        anew, known = np.zeros(count, np.bool_), np.zeros((1, fold.width(**params)))
        fold.kernel(known, bars.instrument, anew, *columns, out, **params)
        found = ~np.isnan(out)
        if found.any(axis=1).all():
            return tuple(int(each) + 1 for each in found.argmax(axis=1))
        count *= 4
    raise ValueError(f"no value within {LONGEST} bars of {fold.outputs} with {params}")


def wave(count: int) -> Bars:
    """Return bars of one instrument whose prices and volumes go up and down."""
    number = np.arange(count)
    close = 100.0 + 3 * number % 7
    volume, bought = 2.0 + number % 3, 1.0 + number % 2
    zeros, ones = np.zeros(count, np.int64), np.ones(count, np.bool_)
    prices = [close - 0.5, close + 1, close - 1, close]
    sizes = [volume, close, zeros, bought, volume * close, bought * close]
    columns: list[Any] = [zeros, number, number + 1, *prices, *sizes, ones, *[zeros] * 4]
    return Bars(*columns)
