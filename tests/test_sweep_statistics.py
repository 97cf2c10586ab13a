"""Statistics of variants against oracles: numpy, and the examples of the paper."""

import math
from decimal import Decimal
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapeflow.operators.sweep.folds import Fold, Part, cut_folds
from tapeflow.operators.sweep.intervals import (
    DAY_NS,
    INTERVALS_MAX,
    LENGTHS_NS,
    Totals,
    Track,
    fit_length_ns,
)
from tapeflow.operators.sweep.results import Sample, Trial, draw_curve, evaluate, samples_of
from tapeflow.operators.sweep.statistics import (
    annual,
    deflated_sharpe,
    expected_best,
    sharpe_ratio,
    skew_and_kurtosis,
)
from tapeflow.schemas.errors import UsageError
from tapeflow.schemas.variants import VariantInterval

S = 10**9
RETURNS = st.lists(st.floats(-100, 100).map(lambda x: round(x, 3)), min_size=3, max_size=60)


@given(RETURNS)
def test_the_sharpe_ratio_is_that_of_numpy(returns):
    found = sharpe_ratio(returns)
    if np.ptp(returns) == 0:
        assert found is None
    else:
        expected = np.mean(returns) / np.std(returns, ddof=1) * np.sqrt(365)
        assert annual(found) == pytest.approx(expected, rel=1e-9, abs=1e-9)


@given(RETURNS)
def test_the_moments_are_those_of_numpy(returns):
    if np.ptp(returns) < 0.01:
        return
    z = (np.array(returns) - np.mean(returns)) / np.std(returns)
    expected = (np.mean(z**3), np.mean(z**4))
    assert skew_and_kurtosis(returns) == pytest.approx(expected, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("returns", [[], [1.0], [1.0, 2.0], [0.0] * 9, [0.1] * 9])
def test_there_is_no_ratio_of_too_few_or_equal_returns(returns):
    assert sharpe_ratio(returns) is None


def test_the_example_of_the_paper():
    # 5 years of 250 days, a ratio of 2.5 a year, 100 trials whose ratios have a variance of 1/2
    ratio, variance = 2.5 / math.sqrt(250), 0.5 / 250
    assert round(expected_best(100, variance), 4) == 0.1132
    assert round(deflated_sharpe(ratio, 1250, -3, 10, 100, variance), 4) == 0.9004
    assert round(deflated_sharpe(ratio, 1250, -3, 10, 46, variance), 4) == 0.9505
    assert round(deflated_sharpe(ratio, 1250, 0, 3, 88, variance), 4) == 0.9505


def test_one_trial_is_not_deflated():
    assert expected_best(1, 5.0) == 0
    assert deflated_sharpe(0.0, 100, 0, 3, 1, 0.0) == 0.5


def test_more_trials_deflate_more():
    found = [deflated_sharpe(0.1, 250, 0, 3, trials, 0.001) for trials in (1, 2, 10, 1000)]
    assert all(one > other for one, other in pairwise(found))


# --- folds ------------------------------------------------------------------------------------


def test_folds_are_equal_parts_one_after_the_other():
    assert cut_folds(Part(0, 80 * S), S, 3, None, None) == [
        Fold(Part(0, 20 * S), Part(20 * S, 40 * S)),
        Fold(Part(20 * S, 40 * S), Part(40 * S, 60 * S)),
        Fold(Part(40 * S, 60 * S), Part(60 * S, 80 * S)),
    ]


def test_folds_of_declared_lengths_go_as_far_as_the_log():
    assert cut_folds(Part(0, 50 * S), S, None, 20 * S, 10 * S) == [
        Fold(Part(begin * S, (begin + 20) * S), Part((begin + 20) * S, (begin + 30) * S))
        for begin in (0, 10, 20)
    ]
    assert len(cut_folds(Part(0, 50 * S), S, 2, 20 * S, 10 * S)) == 2


def test_parts_end_where_intervals_end():
    (fold,) = cut_folds(Part(3 * S, 28 * S), 5 * S, 1, None, None)
    assert fold == Fold(Part(3 * S, 15 * S), Part(15 * S, 28 * S))


def test_a_log_that_is_too_short_for_a_fold_has_none_unless_it_was_wanted():
    assert cut_folds(Part(0, 3 * S), 5 * S, None, None, None) == []
    assert cut_folds(Part(0, 3 * S), S, 0, None, None) == []
    for lengths in ((2, None, None), (None, 60 * S, 60 * S), (9, S, S)):
        with pytest.raises(UsageError, match="do not fit a log of 3 s"):
            cut_folds(Part(0, 3 * S), 5 * S, *lengths)


# --- intervals --------------------------------------------------------------------------------


def test_each_length_of_an_interval_divides_the_next_and_a_day():
    assert all(later % length == 0 for length, later in pairwise(LENGTHS_NS))
    assert DAY_NS == 86_400 * S


def totals(trades=0):
    return Totals(*(np.array([each], object) for each in (trades, 0, 0)))


def track_of(samples, begin_ns, end_ns):
    """The intervals of one variant with these samples of equity, by time."""
    track = Track(LENGTHS_NS[0])
    for number, (time_ns, equity) in enumerate(samples):
        track.sample(time_ns, np.array([equity], object), totals(number))
    return list(track.rows(("v",), begin_ns, end_ns, 0))


SAMPLES = st.lists(
    st.tuples(st.integers(1, 4000), st.integers(-50, 50)), min_size=1, max_size=80
).map(lambda rows: sorted({time: (time * S, equity) for time, equity in rows}.values()))


@given(SAMPLES)
def test_intervals_of_any_length_add_up_to_the_same_curve(samples):
    end_ns = samples[-1][0]
    rows = track_of(samples, 0, end_ns)
    assert len({row.begin_ns for row in rows}) == len(rows) <= INTERVALS_MAX
    curve = draw_curve(rows, [Part(0, end_ns)])
    equity = [0, *(each for _, each in samples)]
    assert curve.profit == equity[-1]
    assert curve.trades == len(samples) - 1
    assert curve.drawdown == max(max(equity[: n + 1]) - equity[n] for n in range(len(equity)))


@given(SAMPLES, st.integers(1, 40))
def test_parts_of_a_log_add_up_to_the_whole(samples, where):
    end_ns = samples[-1][0]
    length = fit_length_ns(S, 0, end_ns)
    cut = min(where * length, end_ns)
    rows = track_of(samples, 0, end_ns)
    one, two = (draw_curve(rows, [part]) for part in (Part(0, cut), Part(cut, end_ns)))
    both = draw_curve(rows, [Part(0, cut), Part(cut, end_ns)])
    assert both.profit == one.profit + two.profit == samples[-1][1]
    assert both.drawdown == draw_curve(rows, [Part(0, end_ns)]).drawdown


def day_rows(name, equities):
    rows, before = [], 0
    for day, equity in enumerate(equities):
        money = map(
            Decimal,
            (10, 1, equity, max(before, equity), min(before, equity), max(0, before - equity)),
        )
        rows.append(VariantInterval(name, day * DAY_NS, (day + 1) * DAY_NS, 1, *money))
        before = equity
    return rows  # fmt: skip


def test_the_rows_of_variants_are_ranked_out_of_sample():
    rising, falling = [5, -3, 2, 4, 3, 9, 8, 14], [9, 20, 31, 39, 30, 24, 10, 3]
    intervals = {"up": day_rows("up", rising), "down": day_rows("down", falling)}
    trials = [Trial(name, "s", {"a": 1}, Decimal(100)) for name in ("down", "up")]
    whole = Part(0, 8 * DAY_NS)
    rows = evaluate(
        trials, intervals, samples_of(whole, cut_folds(whole, DAY_NS, 1, None, None)), 1
    )
    assert [(row.rank, row.variant, row.fold, row.sample) for row in rows] == [
        (rank, name, *sample)
        for rank, name in ((1, "up"), (2, "down"))
        for sample in ((0, "out"), (0, "all"), (1, "out"), (1, "in"))
    ]
    out = rows[0]
    returns = np.diff(rising)[3:]
    assert out.sharpe == pytest.approx(np.mean(returns) / np.std(returns, ddof=1) * 365**0.5)
    assert (out.profit, out.return_, out.days, out.trades) == (10, 0.1, 4, 4)
    assert (out.max_drawdown, out.facts, rows[4].facts) == (1, True, False)
    assert 0 < rows[4].deflated_sharpe < out.deflated_sharpe < 1


def test_what_is_not_known_is_null_and_has_a_note():
    trial = Trial("v", "s", {}, None)
    (row,) = evaluate(
        [trial], {"v": day_rows("v", [1, 2])}, [Sample(0, "all", (Part(0, 2 * DAY_NS),))], 1
    )
    assert (row.sharpe, row.deflated_sharpe, row.return_) == (None, None, None)
    assert row.note == (
        "return: the account declares no capital; sharpe: 2 daily returns, at least 3 are needed"
    )
