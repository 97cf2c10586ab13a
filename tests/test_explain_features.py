"""Features of an explained signal: those of an oracle over the stored closes, and its strength."""

import math
from itertools import pairwise
from statistics import fmean

import duckdb
import pytest

from tapeflow.connectors.duckdb.reading import ResultsReader
from tapeflow.flows.explain.explain import explain
from tapeflow.flows.explain.frames import walk


def ema(closes, period):
    """EMA from its definition: the mean of the first closes, then moved by 2 / (n + 1)."""
    value = fmean(closes[:period])
    for close in closes[period:]:
        value += 2 / (period + 1) * (close - value)
    return value


def score(closes, window):
    """The last log return in standard deviations (of the population) of those before it."""
    returns = [math.log(after / before) for before, after in pairwise(closes)]
    *before, last = returns[-window - 1 :]
    mean = fmean(before)
    return (last - mean) / math.sqrt(fmean((each - mean) ** 2 for each in before))


@pytest.fixture(scope="module")
def signals(demo_run):
    """All signals of the demo with their explanations, without frames, and the closes so far."""
    return [
        (row, explain(demo_run.reader, row["id"]), closes_until(demo_run, row))
        for row in demo_run.rows("SELECT * FROM signals")
    ]


def closes_until(demo_run, signal):
    """The closes of an instrument up to the bar of a signal, read by SQL alone."""
    return demo_run.ids(
        f"SELECT close FROM bars WHERE instrument = '{signal['instrument']}' "
        f"AND close_time <= TIMESTAMP_NS '{signal['close_time']}' ORDER BY close_time"
    )


def test_averages_are_those_of_the_definition_at_the_bar_and_before_it(signals):
    found = [each for each in signals if each[0]["strategy"] == "trend"]
    assert len(found) >= 40
    for row, node, closes in found:
        fast, slow, distance = node.tables["features"]
        assert (fast["feature"], slow["feature"]) == ("ema:12", "ema:26")
        for feature, period in ((fast, 12), (slow, 26)):
            assert feature["value"] == pytest.approx(ema(closes, period), rel=1e-12)
            assert feature["before"] == pytest.approx(ema(closes[:-1], period), rel=1e-12)
            assert feature["bars"] == len(closes)
        assert abs(distance["value"]) == row["strength"]
        assert distance["before"] * distance["value"] <= 0  # they have crossed


def test_the_score_is_that_of_the_definition(signals):
    found = [each for each in signals if each[0]["strategy"] == "reversion"]
    assert len(found) >= 20
    for row, node, closes in found:
        (feature,) = node.tables["features"]
        assert feature["parameters"] == {"window": 60}
        assert feature["value"] == pytest.approx(score(closes, 60), rel=1e-6)
        assert abs(feature["value"]) == row["strength"]


def test_every_strength_of_the_demo_follows_from_its_features(signals):
    for _, node, _ in signals:
        assert node.row["recomputed"]["equal"]
        assert not [each for cause in walk(node) for each in cause.faults]


def test_a_strength_that_does_not_follow_from_the_bars_is_a_fault(demo_run, tmp_path):
    signal = demo_run.rows("SELECT * FROM signals WHERE strategy = 'trend' LIMIT 1")[0]
    copy = tmp_path / "copy.duckdb"
    copy.write_bytes(demo_run.results.read_bytes())
    with duckdb.connect(str(copy)) as con:
        con.execute(
            "DELETE FROM internal.bars WHERE instrument = ? AND open_time = "
            "(SELECT min(open_time) FROM internal.bars WHERE instrument = ?)",
            [signal["instrument"], signal["instrument"]],
        )
    node = explain(ResultsReader(copy), signal["id"])
    assert not node.row["recomputed"]["equal"]
    (fault,) = node.faults
    assert fault.startswith("|ema:12 - ema:26| gives ")
