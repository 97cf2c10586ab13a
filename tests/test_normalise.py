"""Scores of returns: judged against the past alone, as numpy says it at every prefix."""

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapeflow.operators.features.normalise import Normalise
from tests.frames import NAMES, bar, batch

WINDOW = 4


def scores(closes, window=WINDOW, resume_each=False):
    step = Normalise(window, len(NAMES))
    state, said = step.initial(), []
    for number, close in enumerate(closes):
        if resume_each:
            state = step.restore(step.snapshot(state))
        state, (out,) = step.step(state, batch(lo=number, bars=(bar(close, number=number),)))
        said += values(out.scores)
    return said


def values(scores):
    """Scores, None where there is none."""
    return [None if math.isnan(each) else each for each in scores.tolist()]


def by_numpy(closes, window=WINDOW):
    """The last close of the list scored against the `window` returns before it."""
    returns = np.diff(np.log(closes))
    if len(returns) <= window:
        return None
    past = returns[-window - 1 : -1]
    sigma = past.std()
    return (returns[-1] - past.mean()) / sigma if sigma > 0 else None


def test_the_first_score_comes_with_the_first_return_after_a_full_window():
    #   closes   c0 c1 c2 c3 c4 c5       returns r1..r4 fill the window, r5 is judged
    said = scores([100.0, 101.0, 100.0, 102.0, 99.0, 103.0, 100.0])
    assert [each is None for each in said] == [True] * 5 + [False] * 2


def test_a_return_is_judged_before_it_is_learnt():
    closes = [100.0, 101.0, 100.0, 101.0, 100.0]
    calm, wild = scores([*closes, 101.0])[-1], scores([*closes, 1e6])[-1]
    assert calm is not None and wild is not None
    assert wild > 500  # seen with itself in the window it could not be above sqrt(window)


def test_where_nothing_moved_there_is_no_score():
    assert scores([100.0] * 9) == [None] * 9
    assert scores([100.0] * 6 + [101.0])[-1] is None


def test_instruments_do_not_see_each_other():
    step = Normalise(WINDOW, len(NAMES))
    state = step.initial()
    said: dict[str, list[Any]] = {name: [] for name in NAMES[:2]}
    closes = {NAMES[0]: [1.0, 2.0, 1.0, 2.0, 1.0, 3.0], NAMES[1]: [5.0, 5.5, 5.0, 5.2, 5.0, 5.9]}
    for number in range(6):
        mine = tuple(
            bar(closes[name][number], number=number, instrument=name) for name in NAMES[:2]
        )
        state, (out,) = step.step(state, batch(lo=number, bars=mine))
        for name, score in zip(NAMES[:2], values(out.scores), strict=True):
            said[name].append(score)
    assert said == {name: scores(closes[name]) for name in closes}


MOVES = st.lists(st.floats(-0.05, 0.05), min_size=6, max_size=40)


@settings(max_examples=100, deadline=None)
@given(
    MOVES, st.sampled_from([1.0, 100.0, 60_000.0, 1e-7]), st.sampled_from([2, 4, 11]), st.booleans()
)
def test_as_numpy_at_every_prefix(moves, begin, window, resume_each):
    closes = [begin * math.exp(each) for each in np.cumsum(moves)]
    said = scores(closes, window, resume_each)
    for count, score in enumerate(said, 1):
        expected = by_numpy(closes[:count], window)
        past = np.diff(np.log(closes[:count]))[-window - 1 : -1]
        if len(past) == window and past.std() < 1e-9:
            continue  # what is left of the digits decides
        assert (score is None) == (expected is None)
        if expected is not None:
            assert math.isclose(score, expected, rel_tol=1e-6, abs_tol=1e-6)


def test_large_prices_and_small_moves_keep_their_digits():
    moves = [1e-9, -2e-9, 3e-9, -1e-9, 2e-9, 5e-9]
    closes = [60_000.0 * (1 + each) for each in moves]
    score = scores(closes)[-1]
    returns = [math.log(b / a) for a, b in pairwise(closes)]
    mean = math.fsum(returns[:4]) / 4
    sigma = math.sqrt(math.fsum((each - mean) ** 2 for each in returns[:4]) / 4)
    assert score == pytest.approx((returns[4] - mean) / sigma, rel=1e-12)


def test_a_window_forgets_what_is_older():
    tail = [100.0, 101.0, 100.5, 102.0, 101.0, 103.0]
    assert scores([1e9, 3.0, 5e5, *tail])[-1] == scores(tail)[-1]


@pytest.mark.parametrize(
    "closes", [[1e300, 1e-300], [1e-300, 1e300], [1e-300, 1e300, 1e-300, 1e300]]
)
def test_prices_that_a_venue_may_write_never_raise(closes):
    #   both are plain decimals, finite and above zero; their ratio is not
    said = scores(closes * 3, window=2)
    assert all(score is None or math.isfinite(score) for score in said)
