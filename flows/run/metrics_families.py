"""Families of metrics of facts, from what is known of them."""

from collections.abc import Iterable, Mapping
from typing import Any

from prometheus_client.metrics_core import GaugeMetricFamily, HistogramMetricFamily, Metric


def open_orders_family(
    strategies: Iterable[tuple[str, str]], alive: Mapping[str, tuple[str, str]]
) -> Metric:
    """Return the number of orders that live, by account and strategy, which `alive` names by id."""
    numbers = dict.fromkeys(strategies, 0.0)
    for key in alive.values():
        numbers[key] = numbers.get(key, 0.0) + 1
    text = "Orders that live: held, sent or open"
    return gauge("tapeflow_open_orders", text, ["account", "strategy"], numbers)


def latency_family(
    counts: Mapping[str, Mapping[str, int]], sums: Mapping[str, float]
) -> HistogramMetricFamily:
    """Return the histogram of latencies: counts by account and bucket, sums (s) by account."""
    family = HistogramMetricFamily(
        "tapeflow_order_latency_seconds",
        "Log time from the decision of an order to each fill of it",
        labels=["account"],
    )
    for account, buckets in sorted(counts.items()):
        total, cumulated = 0, []
        for limit, count in buckets.items():
            total += count
            cumulated.append((limit, float(total)))
        family.add_metric([account], cumulated, sums[account])
    return family


def gauge(name: str, meaning: str, labels: list[str], values: dict[Any, float]) -> Metric:
    """Return a family of gauges; `values` by the values of its labels."""
    family = GaugeMetricFamily(name, meaning, labels=labels)
    for key, value in sorted(values.items()):
        family.add_metric(list(key), value)
    return family
