"""The bench of hops: clocks around the product's functions, and what is made of their times."""

from types import SimpleNamespace
from typing import Any

import pytest
from msgspec.structs import replace

from bench import hops, latency
from bench.hop_clocks import AT_DESK, DECIDED, HANDED, READ, SINK, wrap
from bench.hops import HOPS, OURS, OWN

MS = 1_000_000


def test_each_hop_is_the_time_between_two_clocks():
    #   record 7 of a-0 is read at 2 ms; the desk waits from 3 to 5 ms for another partition
    stamps = {
        READ: [("a-0", 0, 1 * MS, 0), ("a-0", 6, 2 * MS, 100), ("a-0", 9, 9 * MS, 0)],
        AT_DESK: [("a-0", 0, 1 * MS, 0), ("a-0", 6, 3 * MS, 200), ("b-0", 0, 5 * MS, 300)],
        DECIDED: [("o1", 5 * MS, 300, 6 * MS, 400)],
        SINK: [(6 * MS, 400), (8 * MS, 500), (20 * MS, 0)],
        HANDED: [("o0", 8 * MS, 0), ("o1", 9 * MS, 700), ("o1", 30 * MS, 0)],
    }
    order = SimpleNamespace(id="o1", partition="a-0", offset=7, time_ns=1 * MS)
    unseen = SimpleNamespace(id="o9", partition="a-0", offset=7, time_ns=1 * MS)
    arrivals: Any = [SimpleNamespace(order=each, arrived_ns=12 * MS) for each in (order, unseen)]
    [row] = hops.hops_ms(stamps, arrivals)
    assert row[:, 0].tolist() == [1, 1, 2, 1, 2, 1, 3]
    assert (row[OWN, 1] * 1e6).round().tolist() == [100, 100, 100, 100, 200]  # CPU
    assert HOPS[OWN][0] == "page read -> desk" and HOPS[OWN][-1] == "sink -> handed over"


def test_a_clock_changes_neither_arguments_nor_result():
    class Product:
        def add(self, one, *, other):
            return one + other

    seen = []

    def around(method, *arguments, **more):
        seen.append(arguments[1:])
        return method(*arguments, **more)

    wrap(Product, "add", around)
    assert Product().add(1, other=2) == 3
    assert seen == [(1,)]


@pytest.mark.slow
def test_the_hops_of_a_run_are_measured(monkeypatch):
    for module in (latency, hops):
        monkeypatch.setattr(module, "WARM_UP_S", 1.0)
        monkeypatch.setattr(module, "ROUNDTRIP_S", 0.5)
    with latency.live_run("embedded") as plain:
        live = replace(plain, entry=("bench.hop_clocks",))
        figures = hops.measure(live, 2000.0, 3.0, broker_warm_up_s=1.0)
    assert figures["orders"] > 20
    table = figures["ms"]
    assert table[OURS]["p50"] <= table[hops.WHOLE]["p50"]
    assert 0 < table[hops.CPU]["p50"] <= table[OURS]["p50"]
    text = "\n".join(
        hops.format_table(
            {**figures, "broker": "embedded", "rate": 2000, "epoch": "1s", "store": "disk"}
        )
    )
    assert "desk -> sink" in text and "< 1.2 ms" in text
