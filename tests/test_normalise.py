"""Z-scores of returns against the past alone, equal to those of numpy at every prefix."""

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapeflow.operators.features.normalise import Normalise
from tapeflow.schemas.time import MAX_NS
from tests.columns import bar, batch
from tests.frames import MS, S, binance_trade
from tests.plain_flow import IDS
from tests.test_notices import BEGIN, job_of, rows, run

WINDOW = 4


def scores(closes, window=WINDOW, restore_each=False, numbers=None, hole_ns=MAX_NS):
    """Return the score of each close of one instrument, None where there is none.

    `numbers` are the seconds of the bars; left out: one after the other.
    """
    step = Normalise(window, len(IDS), hole_ns)
    state, outputs = step.initial(), []
    for number, close in zip(numbers or range(len(closes)), closes, strict=True):
        if restore_each:
            state = step.restore(step.snapshot(state))
        value = batch(first_offset=number, bars=(bar(close, number=number),))
        state, (output,) = step.step(state, value)
        outputs += none_for_nan(output.scores)
    return outputs


def none_for_nan(column):
    return [None if math.isnan(score) else score for score in column.tolist()]


def oracle(closes, window=WINDOW):
    """Return the score of the last close against the `window` returns before it, or None."""
    returns = np.diff(np.log(closes))
    if len(returns) <= window:
        return None
    past = returns[-window - 1 : -1]
    sigma = past.std()
    return (returns[-1] - past.mean()) / sigma if sigma > 0 else None


def test_the_first_score_is_of_the_first_return_after_a_full_window():
    #   closes   c0 c1 c2 c3 c4 c5       returns r1..r4 fill the window, r5 is scored
    found = scores([100.0, 101.0, 100.0, 102.0, 99.0, 103.0, 100.0])
    assert [score is None for score in found] == [True] * 5 + [False] * 2


def test_a_return_is_scored_before_it_joins_the_window():
    closes = [100.0, 101.0, 100.0, 101.0, 100.0]
    calm, wild = scores([*closes, 101.0])[-1], scores([*closes, 1e6])[-1]
    assert calm is not None and wild is not None
    assert wild > 500  # with itself in the window it could not be above sqrt(window)


def test_a_window_without_a_move_gives_no_score():
    assert scores([100.0] * 9) == [None] * 9
    assert scores([100.0] * 6 + [101.0])[-1] is None


def test_each_instrument_has_its_own_window():
    step = Normalise(WINDOW, len(IDS))
    state = step.initial()
    found: dict[str, list[Any]] = {name: [] for name in IDS[:2]}
    closes = {IDS[0]: [1.0, 2.0, 1.0, 2.0, 1.0, 3.0], IDS[1]: [5.0, 5.5, 5.0, 5.2, 5.0, 5.9]}
    for number in range(6):
        bars = tuple(bar(closes[name][number], number=number, instrument=name) for name in IDS[:2])
        state, (output,) = step.step(state, batch(first_offset=number, bars=bars))
        for name, score in zip(IDS[:2], none_for_nan(output.scores), strict=True):
            found[name].append(score)
    assert found == {name: scores(closes[name]) for name in closes}


MOVES = st.lists(st.floats(-0.05, 0.05), min_size=6, max_size=40)


@settings(max_examples=100, deadline=None)
@given(
    MOVES, st.sampled_from([1.0, 100.0, 60_000.0, 1e-7]), st.sampled_from([2, 4, 11]), st.booleans()
)
def test_scores_equal_numpys_at_every_prefix(moves, begin, window, restore_each):
    closes = [begin * math.exp(each) for each in np.cumsum(moves)]
    for count, score in enumerate(scores(closes, window, restore_each), 1):
        expected = oracle(closes[:count], window)
        past = np.diff(np.log(closes[:count]))[-window - 1 : -1]
        if len(past) == window and past.std() < 1e-9:
            continue  # rounding decides
        assert (score is None) == (expected is None)
        if expected is not None:
            assert math.isclose(score, expected, rel_tol=1e-6, abs_tol=1e-6)


def test_scores_of_small_moves_of_large_prices_are_exact():
    moves = [1e-9, -2e-9, 3e-9, -1e-9, 2e-9, 5e-9]
    closes = [60_000.0 * (1 + each) for each in moves]
    score = scores(closes)[-1]
    returns = [math.log(b / a) for a, b in pairwise(closes)]
    mean = math.fsum(returns[:4]) / 4
    sigma = math.sqrt(math.fsum((each - mean) ** 2 for each in returns[:4]) / 4)
    assert score == pytest.approx((returns[4] - mean) / sigma, rel=1e-12)


def test_closes_before_the_window_have_no_influence():
    tail = [100.0, 101.0, 100.5, 102.0, 101.0, 103.0]
    assert scores([1e9, 3.0, 5e5, *tail])[-1] == scores(tail)[-1]


@pytest.mark.parametrize(
    "closes", [[1e300, 1e-300], [1e-300, 1e300], [1e-300, 1e300, 1e-300, 1e300]]
)
def test_extreme_prices_never_raise(closes):
    #   a venue may write them: finite and above zero, but their ratio is no finite float64
    found = scores(closes * 3, window=2)
    assert all(score is None or math.isfinite(score) for score in found)


# --- holes ---------------------------------------------------------------------------------------

CALM = [100.0, 101.0, 100.0, 102.0, 99.0, 103.0]


def test_a_return_over_a_hole_is_no_return_and_no_part_of_the_window():
    #   second   0 1 2 3 4 5   | 60 61 62       the bar of second 5 ends at 6: a hole of 54 s
    numbers = [0, 1, 2, 3, 4, 5, 60, 61, 62]
    found = scores([*CALM, 900.0, 909.0, 900.0], numbers=numbers, hole_ns=53 * S)
    assert found[:6] == scores(CALM)
    assert found[6] is None
    #   as if the prices after the hole went on from the price before it
    joined = [*CALM, *(103.0 * each / 900.0 for each in (909.0, 900.0))]
    assert found[7:] == pytest.approx(scores(joined)[6:])


def test_a_hole_as_long_as_the_job_allows_is_none():
    numbers = [0, 1, 2, 3, 4, 5, 60]
    closes = [*CALM, 900.0]
    assert scores(closes, numbers=numbers, hole_ns=54 * S) == scores(closes)
    assert scores(closes, numbers=numbers, hole_ns=54 * S - 1)[-1] is None


def test_after_a_hole_before_a_full_window_returns_are_counted_on():
    numbers = [0, 1, 2, 3, 100, 101, 102, 103]
    closes = [100.0, 101.0, 100.0, 102.0, 1.0, 1.1, 1.0, 1.3]
    found = scores(closes, numbers=numbers, hole_ns=10 * S)
    assert [score is None for score in found] == [True] * 6 + [False] * 2


def test_a_hole_of_one_instrument_is_none_of_another():
    step, numbers = Normalise(2, len(IDS), 10 * S), [0, 1, 2, 3, 50]
    state, found = step.initial(), []
    for number in range(51):
        bars = [bar(100.0 + number % 3, number=number, instrument=IDS[1])]
        bars += [bar(5.0 + number % 2, number=number)] if number in numbers else []
        state, (output,) = step.step(state, batch(first_offset=number, bars=tuple(bars)))
        found.append(none_for_nan(output.scores))
    assert found[50][1] is None and found[50][0] is not None


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.floats(90, 110), st.integers(1, 30)), min_size=3, max_size=40),
    st.booleans(),
)
def test_scores_are_those_of_the_returns_that_there_are(bars, restore_each):
    numbers = np.cumsum([gap for _, gap in bars]).tolist()
    closes = [close for close, _ in bars]
    returns = np.diff(np.log(closes))
    known = [0, *(gap - 1 <= 20 for _, gap in bars[1:])]
    found = scores(closes, 2, restore_each, numbers, 20 * S)
    for at, score in enumerate(found):
        past = [returns[i - 1] for i in range(1, at) if known[i]][-2:]
        if not known[at] or len(past) < 2:
            assert score is None
        elif np.std(past) > 1e-9:
            assert score == pytest.approx((returns[at - 1] - np.mean(past)) / np.std(past))


@pytest.mark.parametrize(("hole", "strong"), [("10m", 0), ("none", 1)])
def test_a_price_that_moved_during_an_outage_gives_no_signal(tmp_path, hole, strong):
    #   a move of 0.01 % a second; two hours without a trade, and one of 5 %; then as before
    prices = [
        *(10_000 + number % 2 for number in range(30)),
        *(10_500 + number % 2 for number in range(30)),
    ]
    lines = [
        b"%d %b\n" % (at + 5 * MS, binance_trade(number, at=at, price=price))
        for number, price in enumerate(prices)
        for at in [BEGIN + number * S + (7200 * S if number >= 30 else 0)]
    ]
    (tmp_path / "tapes").mkdir()
    (tmp_path / "tapes" / "binance-0.tape").write_bytes(b"".join(lines))
    reversion = {"name": "back", "kind": "reversion", "entry": 3.0, "account": "main", "size": 1}
    job = job_of(
        {"BTC-USDT.BINANCE": {"tick": "0.01", "lot": "1"}}, strategies=[reversion],
        normalise={"window": 20, "hole": hole},
    )  # fmt: skip
    run(tmp_path / "tapes", tmp_path / "r.duckdb", job)
    found = rows(tmp_path / "r.duckdb", "SELECT count(*) FROM signals WHERE strength > 100")
    assert found == [(strong,)]
