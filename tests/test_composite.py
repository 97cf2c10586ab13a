"""The composite price of several venues."""

import math
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapeflow.operators.features.composite import compute_composite

PRICES = st.floats(1e-6, 1e9)
VENUES = st.lists(
    st.tuples(
        st.none() | PRICES, st.none() | st.just(0.0) | st.floats(1e-6, 1e6), st.integers(0, 20)
    ),
    max_size=6,
)


def composite(venues, max_age_ns=10):
    mids, sizes, ages_ns = zip(*venues, strict=True) if venues else ((), (), ())
    return compute_composite(mids, sizes, ages_ns, max_age_ns)


@settings(max_examples=300, deadline=None)
@given(VENUES)
def test_the_composite_is_the_mean_of_fresh_mids_weighted_by_their_sizes(venues):
    fresh = [
        (Fraction(m), Fraction(s)) for m, s, age in venues if m is not None and s and age <= 10
    ]
    found = composite(venues)
    if not fresh:
        assert found is None
        return
    expected = sum(m * s for m, s in fresh) / sum(s for _, s in fresh)
    assert math.isclose(found, expected, rel_tol=1e-14)
    assert min(m for m, _ in fresh) <= found <= max(m for m, _ in fresh)


@settings(max_examples=200, deadline=None)
@given(VENUES, st.randoms())
def test_the_order_of_the_venues_changes_nothing(venues, random):
    mixed = random.sample(venues, len(venues))
    assert composite(venues) == composite(mixed)


@settings(max_examples=100, deadline=None)
@given(PRICES, st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=5))
def test_venues_that_agree_give_their_price_exactly(price, sizes):
    assert composite([(price, size, 0) for size in sizes]) == price


@pytest.mark.parametrize(("age_ns", "counts"), [(9, True), (10, True), (11, False)])
def test_a_mid_of_exactly_the_age_still_counts(age_ns, counts):
    assert composite([(100.0, 1.0, age_ns)]) == (100.0 if counts else None)


@pytest.mark.parametrize("mid", [None, math.nan, math.inf])
@pytest.mark.parametrize("size", [None, math.nan, 0.0, -1.0, 2.0])
def test_what_is_not_known_has_no_part(mid, size):
    assert composite([(mid, size, 0)]) is None
    assert composite([(mid, size, 0), (5.0, 1.0, 0)]) == 5.0
    assert composite([(7.0, None, 0), (5.0, 1.0, 0)]) == 5.0
