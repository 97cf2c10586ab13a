"""Numbers of the report: each equals what numpy or exact sums say of the facts."""

from collections import defaultdict
from decimal import Decimal

import duckdb
import numpy as np
import pytest

from tapeflow.flows.report.render import render
from tests.page_reading import ReadPage, decode_bars
from tests.reporting import BEGIN_NS, EVIL, HOUR_NS, invent

DAY_MS, CAPITAL = 86_400_000, 100_000


class Made:
    """Results that were made up, their page, and their facts read without any of the product."""

    def __init__(self, folder) -> None:
        """Make the results and their page."""
        self.path = folder / "made.duckdb"
        self.closes = invent(self.path, days=75)
        self.page = ReadPage(render(self.path))
        with duckdb.connect(str(self.path), read_only=True) as con:
            con.execute("SET TimeZone = 'UTC'")
            self.equity = con.execute(
                "SELECT epoch_ms(time), strategy, equity FROM internal.equity ORDER BY seq"
            ).fetchall()
            self.fills = con.execute(
                "SELECT instrument, side, price, size, fee, epoch_ms(log_time), strategy "
                "FROM internal.fills ORDER BY seq"
            ).fetchall()
            self.denied = con.execute(
                "SELECT count(*) FROM internal.decisions WHERE decision = 'DENIED'"
            ).fetchone()[0]

    def total(self):
        """Time and sum of the last equities at each time, from 0 at the begin of the log."""
        last, totals = {}, {BEGIN_NS // 10**6: Decimal(0)}
        for time, strategy, value in self.equity:
            last[strategy] = value
            totals[time] = sum(last.values())
        return np.array(list(totals)), np.array([float(value) for value in totals.values()])

    def daily(self):
        """The profit of each UTC day."""
        times, values = self.total()
        ends = {}
        for time, value in zip(times, values, strict=True):
            ends[time // DAY_MS] = value
        return np.diff(np.array([0.0, *ends.values()]))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return Made(tmp_path_factory.mktemp("numbers"))


def number(text):
    """A number as the page writes it."""
    return float(text.replace("\u2212", "-").replace(",", "").removesuffix(" %"))


def test_the_total_is_the_sum_of_all_strategies(made):
    times, values = made.page.line("total")
    expected_times, expected = made.total()
    assert times.tolist() == expected_times.tolist()
    assert np.allclose(values, expected, rtol=0, atol=1e-9)


def test_each_strategy_has_its_own_line(made):
    for name in ("trend", EVIL):
        times, values = made.page.line(name)
        expected = [(BEGIN_NS // 10**6, 0.0)] + [
            (t, float(v)) for t, each, v in made.equity if each == name
        ]
        assert list(zip(times.tolist(), values.tolist(), strict=True)) == expected


def test_drawdown_is_the_fall_from_the_high(made):
    _, total = made.total()
    _, values = made.page.line("drawdown")
    assert np.allclose(values, total - np.maximum.accumulate(np.maximum(total, 0)), atol=1e-9)
    rows = made.page.tables["The five longest drawdowns"]
    assert 1 <= len(rows) <= 5
    deepest = min(number(row["depth"]) for row in rows)
    assert deepest >= values.min() - 0.005


def test_buy_and_hold_is_the_mean_of_the_prices_changes(made):
    times, values = made.page.line("buy and hold")
    hours = ((times * 10**6 - BEGIN_NS) // HOUR_NS)[1:] - 1
    changes = [closes[hours] / closes[0] - 1 for closes in made.closes.values()]
    assert values[0] == 0
    assert np.allclose(values[1:], np.mean(changes, axis=0) * CAPITAL, rtol=1e-9)


def test_candles_are_the_bars_and_arrows_are_the_fills(made):
    for name, data in made.page.instruments().items():
        times, prices, volume = decode_bars(data["bars"])
        assert np.allclose(prices[3], made.closes[name], rtol=1e-9)
        assert np.array_equal(times, BEGIN_NS + np.arange(len(times)) * HOUR_NS)
        assert set(volume) == {3.0}
        fills = [(side, f"{size.normalize():f} @ {price.normalize():f}")
                 for each, side, price, size, *_ in made.fills if each == name]  # fmt: skip
        assert [(side, text) for _, side, text, _ in data["fills"]] == fills
        assert len(data["signals"]) == len(fills)


def test_counts_and_fees_are_those_of_the_facts(made):
    words = made.page.words()
    fees = sum(each[4] for each in made.fills)
    assert f"executed {len(made.fills):,}" in words
    assert f"in the currency of profit {fees:,.2f}" in words
    assert f"a risk check denied {made.denied:,}" in words


def test_tables_of_profit_sum_to_the_facts(made):
    turnover = float(sum(each[2] * each[3] for each in made.fills))
    for caption in ("Strategies", "Instruments", "Accounts"):
        rows = made.page.tables[caption]
        assert sum(number(row["turnover"]) for row in rows) == pytest.approx(turnover, abs=0.02)
        assert sum(number(row["fills"]) for row in rows) == len(made.fills)
        fees = sum(number(row["fees"]) for row in rows)
        assert fees == pytest.approx(float(sum(each[4] for each in made.fills)), abs=0.01)


def trips(made):
    """Profit after fees of the ended round trips of each strategy, by a fold over its fills."""
    state = defaultdict(lambda: [Decimal(0), Decimal(0), Decimal(0)])  # held, cash, fees
    ended = []
    for name, side, price, size, fee, _, strategy in made.fills:
        held = state[strategy, name]
        signed = size if side == "BUY" else -size
        closing = min(size, abs(held[0])) if held[0] * signed < 0 else Decimal(0)
        parts = [(closing, True), (size - closing, False)] if closing else [(size, False)]
        for part, ends in parts:
            if not part:
                continue
            sign = 1 if signed > 0 else -1
            held[0] += sign * part
            held[1] -= sign * part * price
            held[2] += fee * part / size
            if ends and held[0] == 0:
                ended.append(held[1] - held[2])
                held[1] = held[2] = Decimal(0)
    return [float(each) for each in ended]


def test_round_trips_are_those_of_the_fills(made):
    expected = trips(made)
    rows = made.page.tables["Round trips, the latest first"]
    shown = [
        number(row["profit \u2195"] if "profit \u2195" in row else row["profit"])
        for row in rows
        if row["exit, UTC"] != "–"
    ]
    assert len(shown) == len(expected) > 100
    assert sorted(shown) == pytest.approx(sorted(expected), abs=0.006)
    counts = made.page.tables["Profit of ended round trips"]
    assert sum(number(row["round trips"]) for row in counts) == len(expected)
    for row in counts:
        low, high = number(row["from"]), number(row["to, not part"])
        assert number(row["round trips"]) == sum(low <= each < high for each in expected)


def test_daily_returns_are_changes_of_equity_over_capital(made):
    _, values = made.page.line("daily return, %")
    assert np.allclose(values, made.daily() / CAPITAL * 100, atol=1e-9)
    counts = made.page.tables["Distribution of daily returns"]
    assert sum(number(row["days"]) for row in counts) == len(values)


def test_months_sum_to_the_year_and_to_the_profit(made):
    (row,) = made.page.tables["Monthly returns"]
    months = [number(row[name]) for name in ("Jan", "Feb", "Mar")]
    daily = made.daily() / CAPITAL * 100
    expected = [daily[:31].sum(), daily[31:59].sum(), daily[59:].sum()]
    assert months == pytest.approx(expected, abs=0.006)


def test_rolling_ratio_and_volatility_are_those_of_numpy(made):
    daily = made.daily()
    windows = np.lib.stride_tricks.sliding_window_view(daily, 30)
    deviation = windows.std(axis=1, ddof=1)
    times, ratios = made.page.line("Sharpe ratio")
    _, volatility = made.page.line("volatility, % a year")
    assert np.allclose(ratios, windows.mean(axis=1) / deviation * np.sqrt(365), rtol=1e-9)
    assert np.allclose(volatility, deviation * np.sqrt(365) / CAPITAL * 100, rtol=1e-9)
    assert times[0] == BEGIN_NS // 10**6 + 29 * DAY_MS


def test_the_ratio_of_the_statistics_is_that_of_numpy(made):
    daily = made.daily()
    expected = daily.mean() / daily.std(ddof=1) * np.sqrt(365)
    rows = {
        row["statistic"]: row for row in made.page.tables["Statistics of accounts and strategies"]
    }
    assert number(rows["Sharpe ratio"]["whole account"]) == pytest.approx(expected, abs=0.006)
    assert number(rows["net profit"]["whole account"]) == pytest.approx(
        made.total()[1][-1], abs=0.006
    )
    assert all(row["definition"] for row in rows.values())


def test_exposure_is_the_sum_of_what_is_held(made):
    held = defaultdict(Decimal)
    for name, side, _, size, *_ in made.fills:
        held[name] += size if side == "BUY" else -size
    _, long = made.page.line("long")
    _, short = made.page.line("short")
    _, gross = made.page.line("gross")
    _, net = made.page.line("net")
    assert np.allclose(gross, long - short) and np.allclose(net, long + short)
    assert (long >= 0).all() and (short <= 0).all()
    signs = {np.sign(float(each)) for each in held.values()}
    assert (long[-1] > 0) == (1 in signs) and (short[-1] < 0) == (-1 in signs)
    levels = next(chart[""]["levels"] for chart in made.page.charts() if "gross" in chart)
    assert [(each["name"], each["value"]) for each in levels] == [("gross max", 50_000)]


def test_two_runs_are_compared_figure_by_figure(made, tmp_path):
    other = tmp_path / "other.duckdb"
    invent(other, days=30, seed=11, strategies=("trend",))
    page = ReadPage(render(made.path, other))
    assert "Their digests differ" in page.words()
    rows = {row["figure"]: row for row in page.tables["Figures of both runs"]}
    with duckdb.connect(str(other), read_only=True) as con:
        fills = con.execute("SELECT count(*) FROM internal.fills").fetchone()[0]
    assert number(rows["fills"]["made.duckdb"]) == len(made.fills)
    assert number(rows["fills"]["other.duckdb"]) == fills
    assert number(rows["fills"]["difference"].replace("+", "")) == len(made.fills) - fills
    assert [row["setting"] for row in page.tables["Settings of the job that differ"]] == [
        f"strategies.{EVIL}"
    ]
    lines = next(chart for chart in page.charts() if "other.duckdb" in chart)
    assert lines["made.duckdb"]["values"][-1] == pytest.approx(made.total()[1][-1])
