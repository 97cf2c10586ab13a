"""Strategies over bars: averages equal to TA-Lib's, crossings, forecasts against outliers."""

import math
from decimal import Decimal

import numpy as np
import pytest
import talib
from hypothesis import given, settings
from hypothesis import strategies as st

from tapeflow.operators.strategies import ema_cross, reversion
from tapeflow.operators.strategies.step import STRATEGIES, EvaluateStrategies, Kind, bind
from tapeflow.schemas.bar import bar_id
from tapeflow.schemas.sides import BUY, SELL
from tapeflow.schemas.signals import DeclaredStrategy
from tests.columns import bar, bar_values, batch
from tests.frames import S
from tests.laws import run
from tests.plain_flow import IDS, INSTRUMENTS

PRICES = st.floats(1e-6, 1e6) | st.sampled_from([100.0, 100.5, 101.0])
CLOSES = st.lists(PRICES, max_size=9) | st.lists(PRICES, min_size=28, max_size=50)


def evaluate(strategy, closes, scores=None, **params):
    """Return the forecasts of a strategy on bars of one instrument, and its state after them."""
    state, forecasts = np.zeros((1, strategy.WIDTH)), np.zeros(len(closes))
    instrument = np.zeros(len(closes), np.int64)
    scores = np.array(
        [math.nan if each is None else each for each in scores or [None] * len(closes)]
    )
    strategy.step(state, instrument, np.array(closes), scores, forecasts, **params)
    return forecasts.tolist(), state[0].tolist()


def crossings(closes, fast=1, slow=2):
    """Return the side of ema_cross at each close, or 0."""
    forecasts, _ = evaluate(ema_cross, closes, fast=fast, slow=slow)
    return [BUY if forecast > 0 else SELL if forecast < 0 else 0 for forecast in forecasts]


def averages_after(closes, fast, slow):
    """Return both averages, or sums before they are seeded."""
    _, state = evaluate(ema_cross, closes, fast=fast, slow=slow)
    return state[ema_cross.FAST], state[ema_cross.SLOW]


# --- ema_cross --------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(CLOSES, st.sampled_from([(2, 5), (12, 26), (3, 4)]))
def test_averages_equal_talibs_at_every_prefix(closes, periods):
    fast, slow = periods
    for count in range(1, len(closes) + 1):
        averages = averages_after(closes[:count], fast, slow)
        for average, period in zip(averages, periods, strict=True):
            expected = talib.EMA(np.array(closes[:count]), period)[-1]
            if count < period:
                assert np.isnan(expected)
                expected = sum(closes[:count])
            assert math.isclose(average, expected, rel_tol=1e-9)


def test_an_average_is_seeded_with_the_mean_of_the_first_closes():
    closes = [0.1, 0.2, 0.3, 1e16, -1e16 + 3e16]
    assert averages_after(closes[:3], 3, 4)[0] == (0.1 + 0.2 + 0.3) / 3
    assert averages_after(closes, 3, 5)[1] == ((((0.1 + 0.2) + 0.3) + 1e16) + 2e16) / 5


def oracle(closes, fast, slow):
    """Return the sides by section 5 of the reference job, from two dicts of averages."""

    def ema(period):
        value, values = sum(closes[:period]) / period, {}
        for number in range(period, len(closes) + 1):
            if number > period:
                value = value + 2 / (period + 1) * (closes[number - 1] - value)
            values[number] = value
        return values

    sides = [0] * len(closes)
    if len(closes) >= slow:
        one, two = ema(fast), ema(slow)
        for number in range(slow + 1, len(closes) + 1):
            was, now = one[number - 1] - two[number - 1], one[number] - two[number]
            sides[number - 1] = BUY if was <= 0 < now else SELL if was >= 0 > now else 0
    return sides


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.sampled_from([1.0, 2.0, 3.0, 2.5]), min_size=20, max_size=60),
    st.sampled_from([(1, 2), (2, 3), (12, 26)]),
)
def test_crossings_equal_those_of_the_reference_job(closes, periods):
    assert crossings(closes, *periods) == oracle(closes, *periods)


def test_the_bar_that_seeds_the_slow_average_is_no_crossing():
    #   close  1  9  |  5      fast - slow is first known at bar 2, so bar 3 is the first to cross
    assert crossings([1.0, 9.0], 1, 2) == [0, 0]
    assert crossings([9.0, 1.0, 9.0], 1, 2) == [0, 0, BUY]


def test_leaving_zero_is_a_crossing_and_reaching_zero_is_none():
    #   close  2 2 2   3    flat: d = 0      then up: BUY, from exactly zero
    assert crossings([2.0, 2.0, 2.0, 3.0]) == [0, 0, 0, BUY]
    assert crossings([2.0, 2.0, 2.0, 1.0]) == [0, 0, 0, SELL]
    assert crossings([1.0, 3.0, 2.0]) == [0, 0, 0]  # fast - slow: 1, then exactly 0
    assert crossings([1.0, 3.0, 2.0, 1.0])[-1] == SELL
    assert crossings([1.0, 3.0, 2.0, 3.0])[-1] == BUY


def test_a_trend_gives_one_forecast():
    assert crossings([5.0, 4.0, 3.0, 4.0, 5.0, 6.0, 7.0, 1.0, 0.5]) == [
        0,
        0,
        0,
        BUY,
        0,
        0,
        0,
        SELL,
        0,
    ]


def test_strength_is_the_distance_of_the_averages():
    forecasts, state = evaluate(ema_cross, [9.0, 1.0, 9.0], fast=1, slow=2)
    assert forecasts == [0, 0, state[ema_cross.FAST] - state[ema_cross.SLOW]]
    assert forecasts[-1] > 0


# --- reversion --------------------------------------------------------------------------------


def reversions(scores, entry=2.5):
    """Return (side, strength) of reversion at each score, or None."""
    forecasts, _ = evaluate(reversion, [1.0] * len(scores), scores, entry=entry)
    return [(BUY if each > 0 else SELL, abs(each)) if each else None for each in forecasts]


def test_a_score_beyond_entry_gives_one_forecast_against_it():
    #   0.3  2.6  2.9  0.2  -2.7 -9
    assert reversions([0.3, 2.6, 2.9, 0.2, -2.7, -9.0]) == [
        None,
        (SELL, 2.6),
        None,
        None,
        (BUY, 2.7),
        None,
    ]


def test_a_score_exactly_at_entry_is_beyond_it():
    assert reversions([2.5]) == [(SELL, 2.5)]
    assert reversions([-2.5]) == [(BUY, 2.5)]
    assert reversions([2.4999999]) == [None]


def test_a_jump_from_one_side_to_the_other_is_no_new_forecast():
    assert reversions([2.6, -2.6, 2.6]) == [(SELL, 2.6), None, None]


def test_no_score_counts_as_one_within_entry():
    assert reversions([None, 2.6, None, 2.6]) == [None, (SELL, 2.6), None, (SELL, 2.6)]


# --- all strategies over all bars ---------------------------------------------------------------


def strategy(name, *instruments, kind="ema_cross", account="main", size="1.5", **params):
    default: dict[str, float] = {"fast": 1, "slow": 2} if kind == "ema_cross" else {"entry": 1.0}
    return DeclaredStrategy(
        name, kind, params or default, account, Decimal(size), frozenset(instruments)
    )


def outputs_of(closes, *strategies, scores=None, instrument=IDS[0]):
    """Return a batch with the signals and intents of each bar."""
    bars = [
        bar(close, number=number, instrument=instrument, offset=number)
        for number, close in enumerate(closes)
    ]
    values = [
        scored(each, score=score)
        for each, score in zip(bars, scores or [None] * len(bars), strict=True)
    ]
    return run(step_of(*strategies), values)[1]


def step_of(*strategies):
    """Return the step of these strategies, on the instruments of the tests."""
    return EvaluateStrategies(bind(strategies, INSTRUMENTS))


def scored(*bars, score=None):
    """Return a batch of bars of one score."""
    scores = np.full(len(bars), math.nan if score is None else score)
    return batch(first_offset=bars[0].offset, bars=bars, scores=scores)


def signals_of(outputs):
    return [signal for output in outputs for signal in output.signals]


UP = [9.0, 1.0, 9.0]


def test_a_signal_names_its_strategy_bar_time_and_price():
    output = outputs_of(UP, strategy("trend", IDS[0]))[-1]
    (signal,), (closed,) = output.signals, bar_values(output)
    assert (signal.strategy, signal.instrument, signal.side) == ("trend", IDS[0], BUY)
    assert signal.bar_id == bar_id(closed.instrument, closed.open_ns, closed.close_ns)
    assert signal.bar_id == f"{IDS[0]}@{2 * S}+{S}"
    assert (signal.ref_price, signal.close_ns) == (9.0, 3 * S)
    assert signal.position == (closed.log_ns, closed.partition, closed.offset)


def test_an_intent_has_the_size_and_account_of_its_strategy():
    output = outputs_of(UP, strategy("trend", IDS[0], account="wide", size="2.5"))[-1]
    (intent,), (signal,) = output.intents, output.signals
    assert (intent.account, intent.size, intent.signal) == ("wide", Decimal("2.5"), signal)


@pytest.mark.parametrize("forecast", [math.nan, math.inf, -math.inf, 0.0, -0.0])
def test_a_forecast_of_zero_or_no_finite_number_gives_no_signal(monkeypatch, forecast):
    def kernel(state, instrument, close, score, forecasts, **params):
        forecasts[:] = forecast

    monkeypatch.setitem(STRATEGIES, "ema_cross", Kind(kernel, 1))
    assert not any(output.signals for output in outputs_of(UP, strategy("odd", IDS[0])))


def test_a_snapshot_holds_only_instruments_that_had_a_bar():
    step = step_of(strategy("trend", *IDS))
    empty = step.snapshot(step.initial())
    state, _ = run(step, [scored(bar(9.0, instrument=IDS[2]))])
    snapshot = step.snapshot(state)
    assert empty["trend"][2:] == (b"", b"") and len(snapshot["trend"][3]) == 8 * ema_cross.WIDTH
    assert step.restore(snapshot)["trend"].tolist() == state["trend"].tolist()


def test_a_strategy_is_evaluated_on_its_instruments_only():
    outputs = outputs_of(UP, strategy("other", IDS[1]), strategy("trend", IDS[0]))
    assert [signal.strategy for signal in signals_of(outputs)] == ["trend"]


def test_signals_of_one_bar_are_in_the_order_of_the_strategies_names():
    output = outputs_of(UP, *(strategy(name, IDS[0]) for name in "cab"))[-1]
    assert [signal.strategy for signal in output.signals] == ["a", "b", "c"]
    assert len({signal.id for signal in output.signals}) == 3


def test_ids_are_equal_in_every_run_and_differ_by_bar():
    first, second = (outputs_of(UP * 2, strategy("trend", IDS[0])) for _ in range(2))
    ids = [signal.id for signal in signals_of(first)]
    assert ids == [signal.id for signal in signals_of(second)]
    assert len(ids) == len(set(ids)) == 3


def test_a_score_reaches_the_strategy_that_uses_it():
    back = strategy("back", IDS[0], kind="reversion")
    outputs = outputs_of([1.0, 1.0], back, scores=[None, -1.5])
    assert [(each.side, each.strength) for each in signals_of(outputs)] == [(BUY, 1.5)]


def test_the_state_of_a_strategy_no_longer_declared_is_dropped():
    two = step_of(strategy("gone", IDS[0]), strategy("trend", IDS[0]))
    one = step_of(strategy("trend", IDS[0]))
    state, _ = run(two, [scored(bar(close, number=number)) for number, close in enumerate(UP[:2])])
    restored = one.restore(two.snapshot(state))
    assert set(restored) == {"trend"}
    _, (output,) = one.step(restored, scored(bar(UP[2], number=2)))
    assert [signal.side for signal in output.signals] == [BUY]


@pytest.mark.parametrize("kind", STRATEGIES)
def test_a_snapshot_of_every_kind_is_of_plain_values(kind):
    step = step_of(strategy("a", IDS[0], kind=kind))
    state, _ = run(step, [scored(bar(1.0 + each), score=float(each)) for each in range(4)])
    snapshot = step.snapshot(state)
    assert all(type(each) in {str, dict, bytes} for entry in snapshot.values() for each in entry)
    assert step.restore(snapshot)["a"].tolist() == state["a"].tolist()


def test_a_strategy_declared_otherwise_begins_anew():
    before = step_of(strategy("trend", IDS[0]))
    state, _ = run(before, [scored(bar(UP[0]))])
    snapshot = before.snapshot(state)
    assert before.restore(snapshot)["trend"].tolist() == state["trend"].tolist()
    assert state["trend"].any()
    other = step_of(strategy("trend", IDS[0], kind="reversion"))
    assert not other.restore(snapshot)["trend"].any()
