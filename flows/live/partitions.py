"""Measure how far the partitions have been read: by the metrics page, else by facts.

rate, metrics   records between two scrapes, per second of wall time
rate, facts     records of the last closed minute / 60, times log time per wall time
"""

from collections import deque
from time import monotonic
from typing import NamedTuple

from tapeflow.flows.live.metrics_page import Page
from tapeflow.flows.live.model import Partition
from tapeflow.flows.live.source import Row

WINDOW_S = 5.0  # of wall time, for rates
MINUTE_S = 60.0


class Sample(NamedTuple):
    """One partition at one moment."""

    at_s: float
    records: float
    log_ns: int


class PartitionRates:
    """Samples of the last WINDOW_S of each partition, from which rates are computed."""

    def __init__(self) -> None:
        """Know no rates yet: two snapshots make one."""
        self.samples: dict[str, deque[Sample]] = {}

    def clear(self) -> None:
        """Forget all samples: another run is read."""
        self.samples.clear()

    def add(self, name: str, sample: Sample) -> tuple[Sample, Sample] | None:
        """Add a sample; return the first and last of the window, None where there is one only."""
        samples = self.samples.setdefault(name, deque())
        if samples and sample.records < samples[-1].records:
            samples.clear()
        samples.append(sample)
        while len(samples) > 2 and sample.at_s - samples[1].at_s >= WINDOW_S:
            samples.popleft()
        first = samples[0]
        return None if sample.at_s - first.at_s < 1e-3 else (first, sample)


def from_metrics(page: Page, rates: PartitionRates) -> list[Partition]:
    """Return the partitions of a metrics page, by name."""
    totals = page.by_partition.get("tapeflow_records_total", {})
    found = []
    for name, records in sorted(totals.items()):
        log_s = page.of("tapeflow_log_time_seconds", name)
        log_ns = None if log_s is None else round(log_s * 1e9)
        pair = rates.add(name, Sample(monotonic(), records, log_ns or 0))
        rate = None
        if pair is not None:
            first, last = pair
            rate = (last.records - first.records) / (last.at_s - first.at_s)
        found.append(
            Partition(
                name=name,
                records=round(records),
                rate=rate,
                log_ns=log_ns,
                lag_s=page.of("tapeflow_lag_seconds", name),
                holds_s=page.of("tapeflow_partition_behind_seconds", name),
                source="metrics",
            )
        )
    return found


def from_facts(
    minutes: list[Row], bar_times: list[Row], rates: PartitionRates, wall_ns: int | None
) -> list[Partition]:
    """Return the partitions that have a closed minute or a bar, by name.

    `wall_ns` is the time to compare log time with; None where that says nothing.
    """
    counts = {row["partition"]: row for row in minutes}
    bars = {row["partition"]: int(row["log_ns"]) for row in bar_times}
    found = []
    for name in sorted({*counts, *bars}):
        row = counts.get(name)
        log_ns = max(bars.get(name, 0), int(row["minute_ns"]) if row else 0)
        records = None if row is None else int(row["records"])
        pair = rates.add(name, Sample(monotonic(), records or 0, log_ns))
        rate = None
        if pair is not None and row is not None:
            first, last = pair
            speed = (last.log_ns - first.log_ns) / 1e9 / (last.at_s - first.at_s)
            rate = row["last_records"] / MINUTE_S * speed
        lag_s = None if wall_ns is None else (wall_ns - log_ns) / 1e9
        found.append(
            Partition(
                name=name, records=records, rate=rate, log_ns=log_ns, lag_s=lag_s, source="facts"
            )
        )
    return found
