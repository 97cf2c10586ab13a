"""The metrics of a run for Prometheus, served where `[metrics] port` says.

    progress, of this or all processes ─┐
    folder of the state ────────────────┼─▶ RunMetrics, at each scrape ──▶ GET /metrics
    committed facts, a query of the run ┘

The process that the user started serves them; they outlive a restart of the others. Nothing is
measured between two scrapes, and no counter goes back: what is read again was counted before.
"""

import platform
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    InfoMetricFamily,
    Metric,
)

from tapeflow.connectors.source.progress import Progress
from tapeflow.flows.run.engine import epoch_ns
from tapeflow.flows.run.log import live_partitions
from tapeflow.flows.run.metrics_facts import FactMetrics
from tapeflow.flows.run.plan import Plan
from tapeflow.flows.run.process_usage import ProcessUsage
from tapeflow.flows.run.version import package_version
from tapeflow.schemas.time import MAX_NS, MIN_NS

Counters = Callable[[], Iterator[tuple[str, str, float]]]  # name, meaning, value


class RunMetrics:
    """What a run shows at each scrape; it is a collector of prometheus_client."""

    def __init__(self, plan: Plan) -> None:
        """Show the build alone, until `watch` is called."""
        self.plan = plan
        self.progress: Progress | None = None
        self.highest: dict[str, float] = {}  # records, by partition
        self.facts, self.usage = FactMetrics(plan), ProcessUsage()
        self.alerts: Counters | None = None

    def watch(self, plan: Plan, progress: Progress) -> None:
        """Show the progress of a plan from now on."""
        self.plan, self.progress = plan, progress
        self.facts.plan = plan

    def collect(self) -> Iterator[Metric]:
        """Yield all metrics, as they are now."""
        build = {
            "version": package_version(),
            "python": platform.python_version(),
            "flow": self.plan.flow,
            "command": self.plan.command,
        }
        yield InfoMetricFamily("tapeflow_build", "What runs", value=build)
        run = {"run": self.plan.run_id}
        yield InfoMetricFamily("tapeflow_run", "Id of the run, as in its log lines", value=run)
        yield GaugeMetricFamily(
            "tapeflow_epoch_interval_seconds", "Time between commits", epoch_ns(self.plan) / 1e9
        )
        if self.progress is not None:
            yield from self._partitions(self.progress)
            restarts, meaning = self.progress.restarts, "Restarts after a process failed"
            yield CounterMetricFamily("tapeflow_restarts", meaning, restarts)
            yield from self.usage.collect(self.progress.pids)
        if self.plan.state is not None:
            size = folder_bytes(self.plan.state)
            yield GaugeMetricFamily("tapeflow_state_bytes", "Size of the state folder", size)
        for name, meaning, value in () if self.alerts is None else self.alerts():
            yield CounterMetricFamily(f"tapeflow_{name}", meaning, value)
        yield from self.facts.collect()

    def _partitions(self, progress: Progress) -> Iterator[Metric]:
        labels, live = ["partition"], live_partitions(self.plan.log)
        records = CounterMetricFamily("tapeflow_records", "Records read", labels=labels)
        log_time = GaugeMetricFamily(
            "tapeflow_log_time_seconds", "Log time reached, since 1970", labels=labels
        )
        lag = GaugeMetricFamily(
            "tapeflow_lag_seconds", "Wall time less the log time of the last record", labels=labels
        )
        behind = GaugeMetricFamily(
            "tapeflow_partition_behind_seconds",
            "How long a partition has held the others, in wall time; 0 where it does not",
            labels=labels,
        )
        for name in progress.partitions:
            label, log_ns = [name], progress.log_ns_of(name)
            records.add_metric(label, self._most(name, progress.records_of(name)))
            if log_ns not in (MIN_NS, MAX_NS):
                log_time.add_metric(label, log_ns / 1e9)
                if name in live:
                    lag.add_metric(label, (time.time_ns() - log_ns) / 1e9)
            if name in live:
                behind.add_metric(label, progress.behind_s_of(name))
        yield from (records, log_time, lag, behind)
        if (share := progress.share()) is not None:
            yield GaugeMetricFamily("tapeflow_read_ratio", "Share of the log read, 0 to 1", share)

    def _most(self, partition: str, records: int) -> float:
        """Return the highest number of records that a partition has had."""
        self.highest[partition] = max(self.highest.get(partition, 0.0), float(records))
        return self.highest[partition]


def folder_bytes(folder: Path) -> int:
    """Return the size of the files below a folder, some of which may vanish meanwhile."""
    total = 0
    for path in folder.rglob("*"):
        with suppress(OSError):
            total += path.stat().st_size if path.is_file() else 0
    return total
