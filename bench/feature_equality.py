"""Measures how far features are from their oracles, relative to the largest value in memory."""

from typing import NamedTuple

import numpy as np

from bench.feature_oracles import Oracle
from tapeflow.operators.features.fold import Fold
from tapeflow.schemas.columns import Floats
from tapeflow.schemas.market import Bars

PLAIN = {  # outputs in units of prices or volumes: what is in memory is as large as these
    "linreg.slope": "close",
    "linreg.end": "close",
    "stddev": "close",
    "keltner.upper": "high",
    "macd.macd": "close",
    "macd.signal": "close",
    "macd.hist": "close",
    "ppo.apo": "close",
    "mom.mom": "close",
    "adosc": "volume",
    "roll": "close",
}


class Difference(NamedTuple):
    """An output of a feature against its oracle."""

    output: str
    is_warm_alike: bool  # both are NaN at the same bars
    largest: float  # distance, relative to the largest value in memory


def compute(fold: Fold, bars: Bars, params: dict[str, float]) -> Floats:
    """Return the outputs of a fold over bars of one instrument: (outputs, bars)."""
    settings = {key: each.check(params[key]) for key, each in fold.parameters.items()}
    out = np.empty((len(fold.outputs), len(bars)))
    known, anew = np.zeros((1, fold.width(**settings))), np.zeros(len(bars), np.bool_)
    columns = [getattr(bars, each) for each in fold.columns]
    fold.kernel(known, bars.instrument, anew, *columns, out, **settings)
    return out


def compare(
    name: str, fold: Fold, oracle: Oracle, bars: Bars, params: dict[str, float]
) -> list[Difference]:
    """Compare the outputs of a feature that the oracle has, at every bar."""
    whole = {key: each.check(params[key]) for key, each in fold.parameters.items()}
    differences = []
    for output, found, expected in zip(
        fold.outputs, compute(fold, bars, params), oracle(bars, **whole), strict=False
    ):
        known = ~np.isnan(found) & ~np.isnan(expected)
        is_alike = np.array_equal(np.isnan(found), np.isnan(expected))
        label = f"{name}.{output}".removesuffix(".")
        memory = np.abs(getattr(bars, PLAIN[label])) if label in PLAIN else np.zeros(len(bars))
        scale = max(memory.max(initial=0), np.abs(expected[known]).max(initial=0))
        off = np.abs(found[known] - expected[known]).max(initial=0)
        differences.append(Difference(label, is_alike, off / scale if off else 0.0))
    return differences
