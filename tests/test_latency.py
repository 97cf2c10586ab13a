"""The bench of latency, for a moment on the embedded broker."""

from typing import Any

import numpy as np
import pytest

from bench import latency
from bench.load_generator import Market


def test_the_load_goes_through_all_instruments_of_both_venues():
    market = Market()
    frames = [market.frame(1_700_000_000_123_456_789) for _ in range(40)]
    assert [number for number, _ in frames[:4]] == [1, 0, 1, 0]
    assert len({frame.split(b'"product_id":')[1][:12] for number, frame in frames if number}) == 10
    assert b'"time":"2023-11-14T22:13:20.123456Z"' in frames[0][1]
    assert b'"T":1700000000123,' in frames[1][1]


def test_an_order_waits_for_the_next_record_of_every_other_partition():
    order = type("Order", (), {"partition": "a", "offset": 1, "time_ns": 2_000_000})
    arrival: Any = type("Arrival", (), {"order": order})
    log_ns = {"a": np.array([0, 2_000_000]), "b": np.array([1_000_000, 2_500_000, 9_000_000])}
    assert latency.waits_ms([arrival], log_ns).tolist() == [0.5]


@pytest.mark.slow
def test_the_latency_of_orders_is_measured(monkeypatch):
    """Its size depends on the machine: `python -m bench.latency` prints it."""
    monkeypatch.setattr(latency, "WARM_UP_S", 1.0)
    monkeypatch.setattr(latency, "ROUNDTRIP_S", 0.5)
    with latency.live_run("embedded") as live:
        figures = latency.measure(live, 1000.0, 5.0, broker_warm_up_s=1.0)
    assert figures["orders"] >= 5
    assert figures["ticks_per_s"] == pytest.approx(1000, rel=0.05)
    order_ms = figures["ms"]["tick to order"]
    assert 0 < order_ms["p50"] <= order_ms["p99"] <= order_ms["max"]
    table = "\n".join(latency.format_table({**figures, "broker": "embedded", "rate": 1000}))
    assert "embedded broker" in table
    assert "< 2 ms" in table
