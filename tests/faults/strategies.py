"""Strategies that fail, in place of `ema_cross` in every process of a run.

FAULTY_STRATEGY=bad_key PYTHONPATH=tests/faults python -m tapeflow ...
"""

import os
from importlib import import_module

from tapeflow.engine.compiled import compiled


def bad_key(state, instrument, close, score, forecasts, fast, slow):
    """A mistake in Python."""
    return {}["no such key"]


@compiled
def bad_index(state, instrument, close, score, forecasts, fast, slow):
    """An index one beyond the end: nobody notices, unless indices are checked."""
    for row in range(len(close)):
        forecasts[row + 1] = 0.0


@compiled
def wild_index(state, instrument, close, score, forecasts, fast, slow):
    """An index far beyond the end: the system kills the process."""
    for row in range(len(close)):
        forecasts[row + 10**11] = 0.0


def install():
    """Put the strategy that FAULTY_STRATEGY names in the place of `ema_cross`."""
    name = os.environ.get("FAULTY_STRATEGY")
    if name:
        step = import_module("tapeflow.operators.strategies.step")
        step.STRATEGIES["ema_cross"] = step.Kind(globals()[name], 3)
