"""Kernels of light portfolios: whole numbers are those of decimals, grids those of one variant."""

from decimal import ROUND_HALF_EVEN, Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapeflow.operators.strategies import ema_cross, reversion
from tapeflow.operators.sweep import forecasts
from tapeflow.operators.sweep.grid_kernels import cross_all, revert_all
from tapeflow.operators.sweep.layout import NOT_TRADED, NOT_WHOLE
from tapeflow.operators.sweep.orders_kernel import divide, whole_steps

INSTRUMENTS = 3
BARS = st.lists(
    st.tuples(st.integers(0, INSTRUMENTS - 1), st.integers(90, 110), st.floats(-4, 4)),
    min_size=1,
    max_size=60,
)


@given(st.integers(-(2**50), 2**50), st.integers(1, 10**6))
def test_a_quotient_is_rounded_as_decimals_are(amount, divisor):
    exact = Decimal(amount) / Decimal(divisor)
    assert divide(amount, divisor) == int(exact.quantize(Decimal(1), ROUND_HALF_EVEN))


@pytest.mark.parametrize(
    ("amount", "rounded"), [(1, 0), (3, 2), (5, 2), (-1, 0), (-3, -2), (-5, -2)]
)
def test_halves_go_to_even(amount, rounded):
    assert divide(amount, 2) == rounded


@given(st.integers(1, 10**14), st.integers(0, 8))
def test_a_price_of_the_decimals_of_its_tick_is_whole_steps(steps, decimals):
    price = float(Decimal(steps).scaleb(-decimals))
    assert whole_steps(price, 10**decimals) == steps


@given(st.floats(allow_nan=True), st.integers(0, 8))
def test_steps_that_are_whole_are_exactly_the_price(price, decimals):
    steps = whole_steps(price, 10**decimals)
    assert steps == -1 or Decimal(repr(price)) == Decimal(steps).scaleb(-decimals)
    found = int(forecasts.whole_steps(np.array([price]), np.array([10**decimals]))[0])
    if found == NOT_TRADED:
        assert not 1e-12 <= price < 1e12
    else:
        assert found == (NOT_WHOLE if steps < 0 else steps)


def columns_of(bars):
    instrument, close, score = zip(*bars, strict=True)
    return np.array(instrument), np.array(close, np.float64), np.array(score)


@given(BARS, BARS)
def test_a_grid_of_crosses_is_each_cross_alone(first, second):
    fast, slow = np.array([1, 2, 3, 5]), np.array([2, 3, 9, 6])
    state = np.zeros((len(fast) * INSTRUMENTS, ema_cross.WIDTH))
    alone = [np.zeros((INSTRUMENTS, ema_cross.WIDTH)) for _ in fast]
    for page in (first, second):
        columns = columns_of(page)
        found = np.zeros((len(fast), len(page)))
        cross_all(state, *columns, found, INSTRUMENTS, fast, slow)
        for number, own in enumerate(alone):
            expected = np.zeros(len(page))
            ema_cross.step(own, *columns, expected, int(fast[number]), int(slow[number]))
            assert found[number].tolist() == expected.tolist()
    assert state.tolist() == np.concatenate(alone).tolist()


@given(BARS, BARS)
def test_a_grid_of_reversions_is_each_reversion_alone(first, second):
    entry = np.array([0.5, 1.0, 2.5])
    state = np.zeros((len(entry) * INSTRUMENTS, reversion.WIDTH))
    alone = [np.zeros((INSTRUMENTS, reversion.WIDTH)) for _ in entry]
    for page in (first, second):
        columns = columns_of(page)
        found = np.zeros((len(entry), len(page)))
        revert_all(state, *columns, found, INSTRUMENTS, entry)
        for number, own in enumerate(alone):
            expected = np.zeros(len(page))
            reversion.step(own, *columns, expected, float(entry[number]))
            assert found[number].tolist() == expected.tolist()
