"""Strategies over bars: averages as TA-Lib's at every prefix, crossings, views against outliers."""

import math
from decimal import Decimal

import numpy as np
import pytest
import talib
from hypothesis import given, settings
from hypothesis import strategies as st

from tapeflow.operators.strategies import ema_cross, reversion
from tapeflow.operators.strategies import step as signals
from tapeflow.schemas.market import BUY, SELL, bar_id
from tapeflow.schemas.signals import Strategy
from tests.frames import NAMES, S, bar, batch, values_of
from tests.laws import run

PRICES = st.floats(1e-6, 1e6) | st.sampled_from([100.0, 100.5, 101.0])
CLOSES = st.lists(PRICES, max_size=9) | st.lists(PRICES, min_size=28, max_size=50)


def looked(step, width, closes, scores=None, **params):
    """The views of a strategy on bars of one instrument, and what it knows after them."""
    known, views = np.zeros((1, width)), np.zeros(len(closes))
    told = np.array([math.nan if each is None else each for each in scores or [None] * len(closes)])
    step(known, np.zeros(len(closes), np.int64), np.array(closes), told, views, **params)
    return views.tolist(), known[0].tolist()


def views(closes, fast=1, slow=2):
    """What ema_cross says at each close: a side, or 0."""
    said, _ = looked(ema_cross.step, ema_cross.WIDTH, closes, fast=fast, slow=slow)
    return [BUY if view > 0 else SELL if view < 0 else 0 for view in said]


def after(closes, fast, slow):
    """Both averages, or sums before they are seeded."""
    _, known = looked(ema_cross.step, ema_cross.WIDTH, closes, fast=fast, slow=slow)
    return known[ema_cross.FAST], known[ema_cross.SLOW]


# --- ema_cross --------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(CLOSES, st.sampled_from([(2, 5), (12, 26), (3, 4)]))
def test_averages_are_those_of_talib_at_every_prefix(closes, periods):
    fast, slow = periods
    for count in range(1, len(closes) + 1):
        averages = after(closes[:count], fast, slow)
        for mine, period in zip(averages, periods, strict=True):
            theirs = talib.EMA(np.array(closes[:count]), period)[-1]
            if count >= period:
                assert math.isclose(mine, theirs, rel_tol=1e-9)
            else:
                assert np.isnan(theirs) and math.isclose(mine, sum(closes[:count]), rel_tol=1e-9)


def test_the_seed_is_the_mean_of_the_first_closes_in_their_order():
    closes = [0.1, 0.2, 0.3, 1e16, -1e16 + 3e16]
    assert after(closes[:3], 3, 4)[0] == (0.1 + 0.2 + 0.3) / 3
    assert after(closes, 3, 5)[1] == ((((0.1 + 0.2) + 0.3) + 1e16) + 2e16) / 5


def slowly(closes, fast, slow):
    """Sides by section 5 of the reference job, from two lists of averages."""

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
def test_crossings_are_those_of_the_reference_job(closes, periods):
    assert views(closes, *periods) == slowly(closes, *periods)


def test_the_bar_that_seeds_the_slow_average_is_no_crossing():
    #   close  1  9  |  5      fast - slow is first known at bar 2, so bar 3 is the first to cross
    assert views([1.0, 9.0], 1, 2) == [0, 0]
    assert views([9.0, 1.0, 9.0], 1, 2) == [0, 0, BUY]


def test_leaving_zero_is_a_crossing_and_reaching_it_is_none():
    #   close  2 2 2   3    flat: d = 0      then up: BUY, from exactly zero
    assert views([2.0, 2.0, 2.0, 3.0]) == [0, 0, 0, BUY]
    assert views([2.0, 2.0, 2.0, 1.0]) == [0, 0, 0, SELL]
    assert views([1.0, 3.0, 2.0]) == [0, 0, 0]  # fast - slow: 1, then exactly 0
    assert views([1.0, 3.0, 2.0, 1.0])[-1] == SELL
    assert views([1.0, 3.0, 2.0, 3.0])[-1] == BUY


def test_a_trend_says_so_once():
    assert views([5.0, 4.0, 3.0, 4.0, 5.0, 6.0, 7.0, 1.0, 0.5]) == [0, 0, 0, BUY, 0, 0, 0, SELL, 0]


def test_strength_is_the_distance_of_the_averages():
    said, known = looked(ema_cross.step, ema_cross.WIDTH, [9.0, 1.0, 9.0], fast=1, slow=2)
    assert said == [0, 0, known[ema_cross.FAST] - known[ema_cross.SLOW]] and said[-1] > 0


# --- reversion --------------------------------------------------------------------------------


def against(scores, entry=2.5):
    said, _ = looked(reversion.step, reversion.WIDTH, [1.0] * len(scores), scores, entry=entry)
    return [(BUY if view > 0 else SELL, abs(view)) if view else None for view in said]


def test_a_score_that_goes_out_is_bet_against_once():
    #   0.3  2.6  2.9  0.2  -2.7 -9
    assert against([0.3, 2.6, 2.9, 0.2, -2.7, -9.0]) == [
        None,
        (SELL, 2.6),
        None,
        None,
        (BUY, 2.7),
        None,
    ]


def test_exactly_at_entry_is_out():
    assert against([2.5]) == [(SELL, 2.5)]
    assert against([-2.5]) == [(BUY, 2.5)]
    assert against([2.4999999]) == [None]


def test_from_one_side_to_the_other_without_coming_in_between_is_no_new_view():
    assert against([2.6, -2.6, 2.6]) == [(SELL, 2.6), None, None]


def test_no_score_is_as_good_as_one_inside():
    assert against([None, 2.6, None, 2.6]) == [None, (SELL, 2.6), None, (SELL, 2.6)]


# --- all strategies over all bars ---------------------------------------------------------------


def strategy(name, *instruments, kind="ema_cross", account="main", size="1.5", **params):
    default: dict[str, float] = {"fast": 1, "slow": 2} if kind == "ema_cross" else {"entry": 1.0}
    return Strategy(name, kind, params or default, account, Decimal(size), frozenset(instruments))


def asked(closes, *strategies, scores=None, instrument=NAMES[0]):
    """Signals and intents of each bar."""
    bars = [
        bar(close, number=number, instrument=instrument, offset=number)
        for number, close in enumerate(closes)
    ]
    values = [
        scored(each, score=score)
        for each, score in zip(bars, scores or [None] * len(bars), strict=True)
    ]
    return run(evaluating(*strategies), values)[1]


def evaluating(*strategies):
    """The step of these strategies, on the instruments of the tests."""
    return signals.EvaluateStrategies(signals.bind(strategies, NAMES))


def scored(*given, score=None):
    """A batch of bars of one score."""
    scores = np.full(len(given), math.nan if score is None else score)
    return batch(lo=given[0].offset, bars=given, scores=scores)


UP = [9.0, 1.0, 9.0]


def test_a_signal_names_who_when_and_because_of_what():
    out = asked(UP, strategy("trend", NAMES[0]))[-1]
    (signal,), (closed,) = out.signals, values_of(out)
    assert (signal.strategy, signal.instrument, signal.side) == ("trend", NAMES[0], BUY)
    assert signal.bar_id == bar_id(closed.instrument, closed.open_ns, closed.close_ns)
    assert signal.bar_id == f"{NAMES[0]}@{2 * S}+{S}"
    assert (signal.ref_price, signal.close_ns) == (9.0, 3 * S)
    assert signal.position == (closed.log_ns, closed.partition, closed.offset)


def test_an_intent_is_the_signal_with_the_size_and_account_of_its_strategy():
    out = asked(UP, strategy("trend", NAMES[0], account="wide", size="2.5"))[-1]
    (intent,) = out.intents
    assert (intent.account, intent.size, intent.signal) == ("wide", Decimal("2.5"), out.signals[0])


@pytest.mark.parametrize("view", [math.nan, math.inf, -math.inf, 0.0, -0.0])
def test_what_is_no_number_is_no_view(monkeypatch, view):
    def says(state, instrument, close, score, forecasts, **params):
        forecasts[:] = view

    monkeypatch.setitem(signals.STRATEGIES, "ema_cross", signals.Kind(says, 1))
    assert not any(out.signals for out in asked(UP, strategy("odd", NAMES[0])))


def test_what_is_kept_is_of_instruments_that_were_heard_of():
    step = evaluating(strategy("trend", *NAMES))
    nothing = step.snapshot(step.initial())
    state, _ = run(step, [scored(bar(9.0, instrument=NAMES[2]))])
    one = step.snapshot(state)
    assert nothing["trend"][2:] == (b"", b"") and len(one["trend"][3]) == 8 * ema_cross.WIDTH
    assert step.restore(one)["trend"].tolist() == state["trend"].tolist()


def test_a_strategy_sees_its_instruments_only():
    said = asked(UP, strategy("other", NAMES[1]), strategy("trend", NAMES[0]))
    assert [signal.strategy for out in said for signal in out.signals] == ["trend"]


def test_strategies_of_one_bar_speak_in_the_order_they_are_given():
    said = asked(UP, *(strategy(name, NAMES[0]) for name in "abc"))[-1]
    assert [signal.strategy for signal in said.signals] == ["a", "b", "c"]
    assert len({signal.id for signal in said.signals}) == 3


def test_ids_are_derived_and_differ_by_bar_and_strategy():
    one, again = (asked(UP * 2, strategy("trend", NAMES[0])) for _ in range(2))
    ids = [signal.id for out in one for signal in out.signals]
    assert ids == [signal.id for out in again for signal in out.signals]
    assert len(ids) == len(set(ids)) == 3


def test_a_score_reaches_the_strategy_that_asks_for_it():
    back = strategy("back", NAMES[0], kind="reversion")
    said = asked([1.0, 1.0], back, scores=[None, -1.5])
    assert [(each.side, each.strength) for out in said for each in out.signals] == [(BUY, 1.5)]


def test_a_strategy_that_is_no_longer_declared_is_forgotten_and_the_others_go_on():
    two = evaluating(strategy("gone", NAMES[0]), strategy("trend", NAMES[0]))
    one = evaluating(strategy("trend", NAMES[0]))
    state, _ = run(two, [scored(bar(close, number=number)) for number, close in enumerate(UP[:2])])
    resumed = one.restore(two.snapshot(state))
    assert set(resumed) == {"trend"}
    _, (out,) = one.step(resumed, scored(bar(UP[2], number=2)))
    assert [signal.side for signal in out.signals] == [BUY]


@pytest.mark.parametrize("kind", signals.STRATEGIES)
def test_every_kind_keeps_its_state_as_plain_values(kind):
    step = evaluating(strategy("a", NAMES[0], kind=kind))
    state, _ = run(step, [scored(bar(1.0 + each), score=float(each)) for each in range(4)])
    snapshot = step.snapshot(state)
    assert all(type(each) in {str, dict, bytes} for entry in snapshot.values() for each in entry)
    assert step.restore(snapshot)["a"].tolist() == state["a"].tolist()


def test_a_strategy_that_is_declared_otherwise_begins_anew():
    before = evaluating(strategy("trend", NAMES[0]))
    state, _ = run(before, [scored(bar(UP[0]))])
    snapshot = before.snapshot(state)
    assert before.restore(snapshot)["trend"].tolist() == state["trend"].tolist()
    assert state["trend"].any()
    other = evaluating(strategy("trend", NAMES[0], kind="reversion"))
    assert not other.restore(snapshot)["trend"].any()
