"""Features equal TA-Lib at every bar, or two passes of numpy where it has none or drifts."""

import inspect
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from bench.feature_equality import compare, compute
from bench.feature_oracles import FROM_TALIB
from bench.feature_series import NAMES, bars_of, make_series
from bench.feature_windows import TWO_PASS
from tapeflow.engine.plain import with_views
from tapeflow.operators.features.registry import FOLDS
from tests.laws import plain

SERIES = {name: make_series(name) for name in NAMES}
DEFAULTS = {
    name: {key: each.default for key, each in fold.parameters.items()}
    for name, fold in FOLDS.items()
}
OTHERS = {  # parameters that are none of the defaults
    "macd": {"fast": 3, "slow": 10, "signal": 4},
    "ppo": {"fast": 4, "slow": 9},
    "stoch": {"period": 9, "slow": 1, "signal": 2},
    "stochrsi": {"period": 5, "window": 7, "signal": 2},
    "ultosc": {"fast": 3, "middle": 5, "slow": 8},
    "t3": {"period": 3, "factor": 0.5},
    "sar": {"step": 0.05, "most": 0.3},
    "bbands": {"period": 6, "factor": 1.5},
    "keltner": {"period": 4, "range_period": 9, "factor": 1.5},
    "adosc": {"fast": 2, "slow": 5},
    **{name: {"period": 7} for name, each in DEFAULTS.items() if each.keys() == {"period"}},
}
DRIFTS = {("ultosc", "outlier")}  # TA-Lib's running sums remember it: there numpy decides alone
EQUAL = 1e-9


@pytest.mark.parametrize("kind", NAMES)
@pytest.mark.parametrize("name", FROM_TALIB)
def test_a_feature_equals_talibs_at_every_bar(name, kind):
    if (name, kind) not in DRIFTS:
        check(name, kind, FROM_TALIB)


@pytest.mark.parametrize("kind", NAMES)
@pytest.mark.parametrize("name", TWO_PASS)
def test_a_feature_equals_two_passes_over_each_window(name, kind):
    check(name, kind, TWO_PASS)


def check(name, kind, oracles):
    for params in (DEFAULTS[name], OTHERS[name]) if name in OTHERS else (DEFAULTS[name],):
        for each in compare(name, FOLDS[name], oracles[name], SERIES[kind], params):
            assert each.is_warm_alike, f"{each.output} has its first value at another bar"
            assert each.largest < EQUAL, f"{each.output} is off by {each.largest:.1e}"


SHAPES = {
    "walk": lambda rng, at: 100 * np.exp(np.cumsum(rng.normal(0, 1e-2, len(at)))),
    "steps": lambda rng, at: 100.0 + at // 7 * rng.integers(-1, 2, len(at)),
    "two prices": lambda rng, at: 100.0 + rng.integers(0, 2, len(at)),
    "pauses": lambda rng, at: np.where(at % 20 < 12, 50.0, 50 + rng.normal(0, 1, len(at))),
    "small": lambda rng, at: 1e-7 * np.exp(np.cumsum(rng.normal(0, 1e-2, len(at)))),
    "large": lambda rng, at: 1e8 * np.exp(np.cumsum(rng.normal(0, 1e-2, len(at)))),
}


def drawn_params(name, rng):
    """Draw parameters, the least among them; of several that must rise, rising ones."""
    fold = FOLDS[name]
    params = {
        key: max(each.least, rng.choice([each.least, 3, 5, 9])) if each.is_whole else each.default
        for key, each in fold.parameters.items()
    }
    spans = sorted(rng.choice(np.arange(2, 20), len(fold.rising), replace=False))
    return {**params, **dict(zip(fold.rising, spans, strict=True))}


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from([*SHAPES]),
    st.sampled_from([1, 2, 3, 17, 90]),
    st.integers(0, 999),
    st.booleans(),
)
def test_features_equal_their_oracles_on_any_series_with_any_parameters(shape, count, seed, flat):
    rng = np.random.default_rng(seed)
    bars = bars_of(SHAPES[shape](rng, np.arange(count)), np.arange(count), rng, flat=flat)
    for name, oracle in (*FROM_TALIB.items(), *TWO_PASS.items()):
        params = drawn_params(name, rng)
        for each in compare(name, FOLDS[name], oracle, bars, params):
            if each.output == "atr.percent" and params["period"] == 1:
                continue  # TA-Lib's NATR of one bar is no percentage
            assert each.is_warm_alike, f"{each.output} {params} has its first value at another bar"
            assert each.largest < 1e-7, f"{each.output} {params} is off by {each.largest:.1e}"


def test_every_feature_has_an_oracle():
    assert FOLDS.keys() == FROM_TALIB.keys() | TWO_PASS.keys()
    assert sum(len(each.outputs) for each in FOLDS.values()) >= 60


@pytest.mark.parametrize("name", FROM_TALIB)
def test_talib_of_a_prefix_is_a_prefix_of_talib_so_equal_at_every_bar_is_at_every_prefix(name):
    bars = SERIES["walk"]
    whole = compute(FOLDS[name], bars, DEFAULTS[name])
    for count in (1, 2, 3, 15, 40, 333):
        found = compare(
            name, FOLDS[name], FROM_TALIB[name], bars.take(slice(count)), DEFAULTS[name]
        )
        assert all(each.is_warm_alike and each.largest < EQUAL for each in found)
        short = compute(FOLDS[name], bars.take(slice(count)), DEFAULTS[name])
        assert plain(short) == plain(np.ascontiguousarray(whole[:, :count]))


@pytest.mark.parametrize("name", FOLDS)
def test_a_feature_names_columns_of_bars_and_parameters_in_the_order_of_its_kernel(name):
    fold = FOLDS[name]
    names = [*inspect.signature(fold.kernel).parameters]
    assert names[:3] == ["known", "instrument", "anew"]
    assert names[names.index("out") + 1 :] == [*fold.parameters]
    assert set(fold.columns) <= set(SERIES["walk"].column_names())
    assert inspect.getdoc(fold.kernel).startswith("Write ")


@pytest.mark.parametrize("name", FOLDS)
@settings(max_examples=8, deadline=None)
@given(st.lists(st.floats(1e-9, 1e9) | st.sampled_from([1e300, 1e-300, 100.0]), max_size=30))
def test_a_compiled_feature_is_that_of_its_own_python_to_the_bit(name, closes):
    bars = bars_of(np.array(closes), np.arange(len(closes)), np.random.default_rng(1), flat=False)
    kernel: Any = FOLDS[name].kernel
    fold, params = FOLDS[name], OTHERS.get(name, DEFAULTS[name])
    compiled = compute(fold, bars, params)
    for python in (kernel.__wrapped__, with_views(kernel.__wrapped__)):
        with np.errstate(all="ignore"):
            found = compute(structs.replace(fold, kernel=python), bars, params)
        assert plain(found) == plain(compiled)
