"""Recomputes the forecast of a built-in strategy from the bars of the results.

    closes ─kernel of the strategy─▶ state before, state at the bar, forecast

    ema_cross    its two averages         strength = |ema:fast - ema:slow|
    reversion    the score of the bar     strength = |score|

The classes in the box that are here say their strength by features: it is computed from those.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from tapeflow.operators.strategies import ema_cross
from tapeflow.operators.strategies.step import STRATEGIES
from tapeflow.schemas.columns import Floats
from tapeflow.schemas.market import Bars
from tapeflow.schemas.signals import DeclaredStrategy

Values = Mapping[str, float]


class Forecast(NamedTuple):
    """What a strategy has computed at a bar."""

    before: dict[str, float]  # at the bar before, by the name of the value
    values: dict[str, float]
    signed: float  # above zero it would buy
    formula: str  # of the strength


def recompute(declared: DeclaredStrategy, bars: Bars, scores: Floats, place: int) -> Forecast:
    """Return what a built-in has computed at the bar in row `place`."""
    kind = STRATEGIES[declared.kind]
    state, found = np.zeros((1, kind.width)), []
    for begin, end in ((0, place), (place, place + 1)):
        forecasts = np.zeros(end - begin)
        columns = (np.zeros(end - begin, np.int64), bars.close[begin:end], scores[begin:end])
        with np.errstate(all="ignore"):  # without numba
            kind.kernel(state, *columns, forecasts, **declared.params)
        score = float(scores[end - 1]) if end else float("nan")
        found.append(KERNEL_VALUES[declared.kind](declared.params, state[0], score))
    before, values = found
    return Forecast(
        before, values, float(forecasts[0]), KERNEL_FORMULAS[declared.kind](declared.params)
    )


def averages(params: dict[str, Any], state: Floats, _: float) -> dict[str, float]:
    """Return both averages, NaN until they are seeded, and their distance."""
    numbers = (ema_cross.FAST, ema_cross.SLOW)
    found = {
        f"ema:{period}": float(state[number]) if state[ema_cross.BARS] >= period else float("nan")
        for number, period in zip(numbers, (params["fast"], params["slow"]), strict=True)
    }
    fast, slow = found.values()
    return {**found, distance(params): fast - slow}


def distance(params: dict[str, Any]) -> str:
    """Return the name of the distance of two averages."""
    return f"ema:{params['fast']} - ema:{params['slow']}"


def score_value(_: dict[str, Any], __: Floats, score: float) -> dict[str, float]:
    """Return the score of a bar."""
    return {"score": score}


KERNEL_VALUES: dict[str, Callable[[dict[str, Any], Floats, float], dict[str, float]]] = {
    "ema_cross": averages,
    "reversion": score_value,
}
KERNEL_FORMULAS: dict[str, Callable[[dict[str, Any]], str]] = {
    "ema_cross": lambda params: f"|{distance(params)}|",
    "reversion": lambda _: "|score|",
}


class Strength(NamedTuple):
    """The strength of a class in the box, by what it reads."""

    formula: str
    compute: Callable[[list[float]], float]  # of its features, in the order of its needs


BOX_STRENGTHS = {
    "trend": Strength("|{} / {} - 1|", lambda values: abs(values[0] / values[1] - 1)),
    "mean_reversion": Strength("|{}|", lambda values: abs(values[0])),
}
