"""Numbers of diversification: shares, effective number, correlation, against numpy."""

import math

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapeflow.operators.desk.risk.correlation import Correlations, CorrelationSnapshot
from tapeflow.operators.desk.risk.spread import (
    correlated_notional,
    effective_number,
    share_of,
    shares_of,
)

NAMES = ("A", "B", "C")
NOTIONALS = st.dictionaries(st.sampled_from("ABCDEF"), st.floats(0.01, 1e9), min_size=1)
NEWS = st.lists(st.tuples(*[st.one_of(st.none(), st.floats(0.5, 2.0))] * 3), max_size=40)


@given(NOTIONALS)
def test_shares_are_parts_of_one_and_the_effective_number_is_that_of_numpy(notionals):
    shares = shares_of(notionals)
    values = np.array([*notionals.values()])
    assert math.isclose(sum(shares.values()), 1.0)
    assert math.isclose(effective_number(notionals), 1 / ((values / values.sum()) ** 2).sum())
    assert effective_number(notionals) * (1 + 1e-12) >= 1
    assert effective_number(notionals) <= len(notionals) * (1 + 1e-12)
    members = {"A", "B"}
    part = sum(each for name, each in shares.items() if name in members)
    assert math.isclose(share_of(notionals, members), part, abs_tol=1e-12)


def test_equal_positions_count_each_and_nothing_has_no_share():
    assert math.isclose(effective_number(dict.fromkeys("ABCD", 7.0)), 4.0)
    assert effective_number({"A": 5.0, "B": 0.0}) == 1.0
    assert (effective_number({}), shares_of({"A": 0.0}), share_of({}, "A")) == (0.0, {"A": 0.0}, 0)


@given(
    st.lists(st.floats(-1e6, 1e6), min_size=3, max_size=3),
    st.lists(st.floats(-1, 1), min_size=2, max_size=2),
    st.sampled_from([1, -1]),
)
def test_correlated_notional_is_the_sum_of_what_moves_with_the_order(held, rhos, side):
    notionals = dict(zip(NAMES, held, strict=True))
    rho = dict(zip(NAMES, (1.0, *rhos), strict=True))
    expected = sum(
        abs(each) * max(0.0, rho[name] * side * np.sign(each)) for name, each in notionals.items()
    )
    found = correlated_notional("A", side, notionals, notionals, lambda one, other: rho[other])
    assert math.isclose(found, expected, abs_tol=1e-9)


def test_of_open_orders_those_fill_that_move_with_the_order():
    longest, shortest = {"A": 10.0, "B": 20.0}, {"A": -5.0, "B": -40.0}

    def found(side, rho):
        return correlated_notional("A", side, longest, shortest, lambda *_: rho)

    assert [found(1, 1.0), found(-1, 1.0), found(1, -0.5), found(-1, -0.5)] == [30, 45, 30, 15]


def test_a_notional_that_is_not_known_makes_the_sum_not_known():
    unknown = {"A": 1.0, "B": math.nan}
    assert math.isnan(correlated_notional("A", 1, unknown, unknown, lambda *_: 0.5))


def expected_rho(closes, one, other, decay, least_bars):
    """Return the correlation of two columns of closes; None is a bar that is missing."""
    returns = {name: {} for name in (one, other)}
    for name in (one, other):
        last = None
        for at, row in enumerate(closes):
            close = row[NAMES.index(name)]
            if close is not None:
                if last is not None:
                    returns[name][at] = math.log(close / last)
                last = close
    both = sorted(returns[one].keys() & returns[other].keys())
    x = np.array([returns[one][at] for at in both])
    y = np.array([returns[other][at] for at in both])
    weights = decay ** np.arange(len(both))[::-1]
    scale = math.sqrt((weights * x * x).sum()) * math.sqrt((weights * y * y).sum())
    if len(both) < least_bars or not scale > 0:
        return 1.0
    return min(max((weights * x * y).sum() / scale, -1.0), 1.0)


def learn(closes, order=NAMES, **settings):
    """Return the correlations after rows of closes, the bars of a row in an order."""
    found = Correlations(**settings)
    for at, row in enumerate(closes):
        for name in order:
            close = row[NAMES.index(name)]
            if close is not None:
                found.add(name, at, close)
    return found


@given(NEWS, st.floats(0.5, 1.0), st.integers(1, 5))
def test_correlations_are_those_of_numpy_over_bars_that_close_together(closes, decay, least):
    found = learn(closes, decay=decay, least_bars=least)
    for one in NAMES:
        for other in NAMES:
            expected = 1.0 if one == other else expected_rho(closes, one, other, decay, least)
            assert found.of(one, other) == pytest.approx(expected, abs=1e-7)
            assert found.of(one, other) == found.of(other, one)
            assert -1 <= found.of(one, other) <= 1


@given(NEWS, st.permutations(NAMES))
def test_the_order_of_bars_that_close_together_changes_nothing(closes, order):
    pairs = learn(closes).pairs
    other = learn(closes, order).pairs
    assert {name: msgspec.to_builtins(each) for name, each in pairs.items()} == {
        name: msgspec.to_builtins(each) for name, each in other.items()
    }


@given(NEWS, NEWS)
def test_a_snapshot_goes_on_as_if_there_had_been_none(before, after):
    whole = learn([*before, *after], least_bars=2)
    first = learn(before, least_bars=2)
    saved = msgspec.msgpack.decode(
        msgspec.msgpack.encode(first.snapshot()), type=CorrelationSnapshot
    )
    second = Correlations.restore(saved, least_bars=2)
    for at, row in enumerate(after, start=len(before)):
        for name, close in zip(NAMES, row, strict=True):
            if close is not None:
                second.add(name, at, close)
    assert second.snapshot() == whole.snapshot()


def test_what_is_not_known_counts_as_moving_together():
    closes = [(1.0, 2.0, 3.0), (1.1, 1.9, 3.0), (1.2, 1.8, 3.0)]
    found = learn(closes, least_bars=2)
    assert found.of("A", "B") == pytest.approx(-1, abs=0.01)
    assert found.of("A", "C") == 1.0  # it never moved
    assert found.of("A", "unknown") == 1.0
    assert learn(closes, least_bars=3).of("A", "B") == 1.0  # two returns are too few


def test_a_bar_that_comes_again_and_a_price_that_is_none_change_nothing():
    closes = [(1.0, 2.0, 3.0), (1.1, 2.1, 3.1), (1.0, 2.2, 3.0)]
    found, expected = learn(closes), learn(closes)
    for close_ns, close in ((2, 9.0), (1, 9.0), (3, math.nan), (3, 0.0), (3, -1.0)):
        found.add("A", close_ns, close)
    assert found.snapshot() == expected.snapshot()
