"""The statistics of the results file against numpy, by their definitions."""

import json
import math
from collections import defaultdict
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapeflow.connectors.duckdb.views.tearsheet import STATISTICS
from tapeflow.operators.sweep.statistics import annual, sharpe_ratio
from tapeflow.schemas.accounts import Equity
from tapeflow.schemas.sides import BUY, SELL
from tests.view_facts import BEGIN, DAY, INVERSE, SPOT, Book, S, Views, job_json

D = Decimal
CAPITAL = 1000
HOUR = 3600 * S
STRATEGIES = ("fast", "slow")
CURVES = st.lists(  # hours to the next sample, equity of both strategies in cents
    st.tuples(st.integers(1, 60), st.integers(-50_000, 50_000), st.integers(-50_000, 50_000)),
    min_size=1,
    max_size=25,
)
FILLS = st.lists(
    st.tuples(
        st.sampled_from(STRATEGIES), st.sampled_from([BUY, SELL]), st.integers(1, 3),
        st.integers(90, 110), st.integers(0, 5),
    ),
    max_size=40,
)  # fmt: skip


@pytest.fixture(scope="module")
def views(tmp_path_factory):
    return Views(tmp_path_factory.mktemp("views"))


def samples(curves, account="main"):
    """Return the rows of equity: at each time one of each strategy, one after the other."""
    rows, time_ns = [], BEGIN
    for hours, *cents in curves:
        time_ns += hours * HOUR
        for strategy, each in zip(STRATEGIES, cents, strict=True):
            equity, fees = D(each).scaleb(-2), D(time_ns - BEGIN) / HOUR
            rows.append(
                Equity(len(rows), account, strategy, time_ns, equity, D(0), fees, equity,
                       D(max(each, 0)))
            )  # fmt: skip
    return rows


def curve_of(rows, strategy):
    """Return times in ns, equity and gross of a strategy, or of all where it is ''."""
    found = defaultdict(lambda: [0.0, 0.0])
    for row in rows:
        if strategy in ("", row.strategy):
            found[row.time_ns][0] += float(row.equity)
            found[row.time_ns][1] += float(row.gross)
    times = np.array(sorted(found))
    values = np.array([found[each] for each in sorted(found)])
    return times, values[:, 0], values[:, 1]


def daily_changes(times, equity):
    """Return the change of equity on each UTC day from the first sample to the last."""
    days = (times - 1) // DAY
    closes = [equity[days <= day][-1] for day in range(days[0], days[-1] + 1)]
    return np.diff(closes, prepend=0.0)


def longest_fall_ns(times, equity):
    """Return the longest time of a run of samples below the high, with the sample on either side."""
    below = equity < np.maximum.accumulate(np.maximum(equity, 0.0))
    edges = np.flatnonzero(np.diff(below, prepend=False, append=False))
    return max(
        (
            times[min(end, len(times) - 1)] - times[max(begin - 1, 0)]
            for begin, end in edges.reshape(-1, 2)
        ),
        default=0,
    )


def oracle(rows, strategy, capital):
    """Return the statistics of a curve; None where they are not defined."""
    times, equity, gross = curve_of(rows, strategy)
    changes = daily_changes(times, equity)
    returns = changes / CAPITAL
    high = np.maximum.accumulate(np.maximum(equity, 0.0))
    drawdown = float(np.max(high - equity))
    share = float(np.max((high - equity) / (CAPITAL + high)))
    total = equity[-1] / CAPITAL
    cagr = (1 + total) ** (365 / len(changes)) - 1 if total > -1 else None
    few = len(changes) < 3
    deviation = np.std(returns, ddof=1) if len(changes) > 1 else None
    level = not few and deviation <= 1e-12 * np.max(np.abs(returns))
    downside = math.sqrt(np.mean(np.minimum(returns, 0.0) ** 2))
    of_capital = {
        "return": total,
        "cagr": cagr,
        "volatility": None if deviation is None else deviation * math.sqrt(365),
        "calmar": None if cagr is None or not share else cagr / share,
        "max_drawdown_share": share,
    }
    return {
        "net_profit": equity[-1],
        "sharpe": None if few or level else np.mean(returns) / deviation * math.sqrt(365),
        "sortino": None if few or not downside else np.mean(returns) / downside * math.sqrt(365),
        "max_drawdown": drawdown,
        "max_drawdown_days": longest_fall_ns(times, equity) / DAY,
        "exposure_share": float(np.mean(gross > 0)),
        **{name: value if capital else None for name, value in of_capital.items()},
    }


def statistics(views, account="main"):
    found = defaultdict(dict)
    for row in views.rows("FROM tearsheet WHERE account = ?", account):
        found[row["strategy"]][row["statistic"]] = row["value"]
    return found


def agrees(value, expected):
    if expected is None or not math.isfinite(expected):
        return value is None
    return value == pytest.approx(float(expected), rel=1e-8, abs=1e-9)


@settings(max_examples=12, deadline=None)
@given(CURVES, st.booleans())
def test_statistics_of_equity_are_those_of_numpy(views, curves, capital):
    rows = samples(curves)
    with views.holding(rows, job_json("main", capital=CAPITAL if capital else None)):
        found = statistics(views)
    assert found.keys() == {"", *STRATEGIES}
    for strategy, values in found.items():
        assert list(values) == list(STATISTICS)
        for name, expected in oracle(rows, strategy, capital).items():
            assert agrees(values[name], expected), (strategy, name, values[name], expected)


@settings(max_examples=12, deadline=None)
@given(CURVES)
def test_a_sharpe_ratio_is_that_of_a_sweep(views, curves):
    rows = samples(curves)
    with views.holding(rows):
        found = statistics(views)
    for strategy in STRATEGIES:
        times, equity, _ = curve_of(rows, strategy)
        ratio = sharpe_ratio(daily_changes(times, equity).tolist())
        expected = None if ratio is None else annual(ratio)
        assert agrees(found[strategy]["sharpe"], expected)


@settings(max_examples=12, deadline=None)
@given(FILLS)
def test_statistics_of_trips_are_those_of_their_profits(views, drawn):
    book = Book()
    for number, (strategy, side, size, price, fee) in enumerate(drawn):
        book.fill(("main", strategy, SPOT), side, size, price, f"0.{fee}", BEGIN + number * S)
    with views.holding([*book.facts, *samples([(1, 0, 0)])]):
        found = statistics(views)
        trips = views.rows("FROM round_trips WHERE exit_time IS NOT NULL ORDER BY exit_time")
    for strategy in ("", *STRATEGIES):
        profits = np.array([float(t["profit"]) for t in trips if strategy in ("", t["strategy"])])
        wins, losses = profits[profits > 0], profits[profits < 0]
        streak = longest = 0
        for profit in profits[profits != 0]:
            streak = streak + 1 if profit < 0 else 0
            longest = max(longest, streak)
        turnover = sum(size * price for name, _, size, price, _ in drawn if strategy in ("", name))
        expected = {
            "trips": len(profits),
            "profit_factor": wins.sum() / -losses.sum() if len(losses) else None,
            "expectancy": profits.mean() if len(profits) else None,
            "hit_rate": len(wins) / len(profits) if len(profits) else None,
            "average_win": wins.mean() if len(wins) else None,
            "average_loss": losses.mean() if len(losses) else None,
            "max_consecutive_losses": longest,
            "turnover": turnover,
        }
        for name, value in expected.items():
            assert agrees(found[strategy][name], value), (strategy, name)


def test_money_in_currencies_that_are_not_at_par_is_not_added_up(views):
    book = Book()
    for side, price in ((BUY, 100), (SELL, 90)):
        book.fill(("main", "fast", INVERSE), side, 1, price)
        book.fill(("main", "slow", SPOT), side, 1, price)
    with views.holding([*book.facts, *samples([(1, 0, 0)])]):
        found = statistics(views)
    for name in ("expectancy", "average_loss"):
        assert found["fast"][name] is None
        assert found[""][name] is None
        assert found["slow"][name] == -10
    assert [found[each]["trips"] for each in ("", *STRATEGIES)] == [2, 1, 1]
    assert found["fast"]["turnover"] == 200  # contracts of 100 USD


def test_two_samples_of_the_same_time_are_no_sum(views):
    rows = samples([(1, 100, 200)]) + samples([(1, 100, 200)])
    numbered = [
        Equity(seq, *(getattr(row, name) for name in Equity.__struct_fields__[1:]))
        for seq, row in enumerate(rows)
    ]
    with views.holding(numbered):
        assert statistics(views)[""]["net_profit"] == 3


def test_a_growth_beyond_all_numbers_is_not_known(views):
    with views.holding(samples([(1, 10**9, 0)]), job_json("main", capital=1)):
        assert statistics(views)["fast"]["cagr"] is None


def test_profit_by_day_adds_up_to_the_equity_and_a_sample_at_midnight_is_of_the_day_before(views):
    curves = [(16, 100, 50), (1, 300, 0), (71, 200, 50)]  # midnight, 01:00, midnight 3 days later
    with views.holding(samples(curves), job_json("main", capital=CAPITAL)):
        rows = views.rows("FROM pnl_daily WHERE strategy = 'fast'")
    assert [(row["day"].isoformat(), row["equity"], row["profit"]) for row in rows] == [
        ("2026-01-05", 1, 1),
        ("2026-01-06", 3, 2),
        ("2026-01-07", 3, 0),
        ("2026-01-08", 2, -1),
    ]
    assert [row["return_"] for row in rows] == [0.001, 0.002, 0.0, -0.001]


def test_a_stored_variant_of_a_sweep_has_the_capital_of_its_strategys_account(views):
    job = json.dumps(
        {
            "accounts": [{"name": "main", "capital": "1000", "at_par": ["USDT"]}],
            "strategies": [{"name": "trend", "account": "main"}],
        }
    )
    with views.holding(samples([(1, 100, 0)], account="trend-7"), job):
        views.con.execute(
            "INSERT INTO internal.variants BY NAME "
            "SELECT 'trend-7' AS variant, 'trend' AS strategy, true AS facts, unnest([0, 1]) AS fold"
        )
        found = statistics(views, "trend-7")
    assert found["fast"]["return"] == 0.001
