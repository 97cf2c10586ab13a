"""A compiled function gives the same numbers as its own Python, to the bit."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tapeflow.engine.plain import with_views
from tapeflow.engine.rungs import are_compiled
from tapeflow.operators.bars import step as bars_step
from tapeflow.operators.dedupe import kernel as dedupe
from tapeflow.operators.features import normalise
from tapeflow.operators.sequence import judge
from tapeflow.operators.strategies import ema_cross, reversion
from tests.frames import logs, page_sizes, to_pages
from tests.laws import plain, run
from tests.plain_flow import flow_steps, inputs_of

pytestmark = pytest.mark.skipif(not are_compiled(), reason="kernels are not compiled")

INSTRUMENTS = 3
CLOSES = st.floats(1e-9, 1e9) | st.sampled_from([1e300, 1e-300, 1.0, 1.25, 100.0])
SCORES = st.floats(-9, 9) | st.sampled_from([math.nan, 2.5, -2.5, math.inf])
BARS = st.lists(st.tuples(st.integers(0, INSTRUMENTS - 1), CLOSES, SCORES), max_size=60)


def columns(bars):
    kinds = (np.int64, np.float64, np.float64)
    return [np.array([bar[at] for bar in bars], kind) for at, kind in enumerate(kinds)]


def evaluated(step, width, bars, params):
    state, forecasts = np.zeros((INSTRUMENTS, width)), np.zeros(len(bars))
    with np.errstate(all="ignore"):
        step(state, *columns(bars), forecasts, **params)
    return state.tobytes(), forecasts.tobytes()


@pytest.mark.parametrize(
    ("strategy", "params"),
    [
        (ema_cross, {"fast": 1, "slow": 2}),
        (ema_cross, {"fast": 3, "slow": 5}),
        (reversion, {"entry": 2.5}),
    ],
)
@settings(max_examples=100, deadline=None)
@given(bars=BARS)
def test_a_compiled_strategy_gives_the_same_forecasts(strategy, params, bars):
    compiled = evaluated(strategy.step, strategy.WIDTH, bars, params)
    assert compiled == evaluated(strategy.step.__wrapped__, strategy.WIDTH, bars, params)


@settings(max_examples=100, deadline=None)
@given(BARS, st.sampled_from([2, 3, 7]), st.sampled_from([20, 2**63 - 1]))
@example(
    [(0, close, 0.0) for close in (100.38, 99.34, 99.33, 99.84)], 2, 99
)  # a power would differ
def test_compiled_scores_of_bars_are_the_same(bars, window, hole_ns):
    def scored(score):
        step = normalise.Normalise(window, INSTRUMENTS)
        state = step.initial()
        instrument, close, _ = columns(bars)
        scores = np.empty(len(bars))
        opens = np.arange(len(bars)) * np.arange(1, len(bars) + 1)  # ever larger holes
        past = (state.last_close, state.last_end_ns, state.returns, state.returns_seen)
        with np.errstate(over="ignore"):
            score(instrument, opens, opens + 1, close, hole_ns, *past, scores)
        return scores.tobytes(), step.snapshot(state)

    plain: Any = normalise.zscores
    assert scored(plain) == scored(plain.__wrapped__) == scored(with_views(plain.__wrapped__))


@pytest.mark.parametrize(
    ("name", "module", "kernel"),
    [
        ("dedupe", dedupe, "mark_duplicates"),
        ("judge", judge, "find_breaks"),
        ("bars", bars_step, "fold_rows"),
    ],
)
@settings(max_examples=30, deadline=None)
@given(log=logs(("binance-0",)), sizes=page_sizes())
def test_a_compiled_step_gives_the_same_batches(name, module, kernel, log, sizes):
    steps = flow_steps()
    batches = inputs_of(name, to_pages("binance-0", log["binance-0"], sizes), steps)
    compiled = run(steps[name], batches)[1]
    written = getattr(module, kernel).__wrapped__
    for as_python in (written, with_views(written)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, kernel, as_python)
            assert plain(run(steps[name], batches)[1]) == plain(compiled)
