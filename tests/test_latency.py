"""The measure of latency measures: on the embedded broker, for a moment."""

from typing import Any

import numpy as np
import pytest

from bench import latency
from bench import load_generator as paced


def test_a_market_goes_through_all_instruments_of_both_venues():
    market = paced.Market()
    frames = [market.frame(1_700_000_000_123_456_789) for _ in range(40)]
    assert [number for number, _ in frames[:4]] == [1, 0, 1, 0]
    assert len({frame.split(b'"product_id":')[1][:12] for number, frame in frames if number}) == 10
    assert b'"time":"2023-11-14T22:13:20.123456Z"' in frames[0][1]
    assert b'"T":1700000000123,' in frames[1][1]


def test_the_wait_is_that_for_the_next_record_of_every_other_partition(monkeypatch):
    order = type("Order", (), {"partition": "a", "offset": 1, "time_ns": 2_000_000})
    arrival: Any = type("Arrival", (), {"order": order})
    times = {"a": np.array([0, 2_000_000]), "b": np.array([1_000_000, 2_500_000, 9_000_000])}
    assert latency.waits([arrival], times).tolist() == [0.5]


@pytest.mark.slow
def test_orders_are_measured(monkeypatch):
    monkeypatch.setattr(latency, "WARM_S", 1.0)
    monkeypatch.setattr(latency, "LOOP_S", 0.5)
    with latency.brokered("embedded") as bench:
        told = latency.report(bench, 4000.0, 3.0)
    assert told["orders"] > 50
    assert told["ticks_per_s"] == pytest.approx(4000, rel=0.05)
    whole = told["ms"]["tick to order"]
    assert 0 < whole["p50"] < 50
    assert whole["p50"] <= whole["p99"] <= whole["max"]
    told |= {"broker": "embedded", "rate": 4000, "machine": {"processor": "abacus"}}
    table = "\n".join(latency.shown(told))
    assert "embedded broker" in table
    assert "< 2 ms" in table
