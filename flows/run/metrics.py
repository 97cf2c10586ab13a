"""The metrics of a run for Prometheus, served where `[metrics] port` says.

    progress, of this or all processes ─┐
    folder of the state ────────────────┼─▶ RunMetrics, at each scrape ──▶ GET /metrics
    committed facts, a query of the run ┘

The process that the user started serves them; they outlive a restart of the others. Nothing is
measured between two scrapes, and no counter goes back: what is read again was counted before.
"""

import platform
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    InfoMetricFamily,
    Metric,
)

from tapeflow.connectors.duckdb.flight import query_running
from tapeflow.connectors.source.progress import Progress
from tapeflow.flows.run.log import live_partitions
from tapeflow.flows.run.plan import Plan
from tapeflow.flows.run.version import package_version
from tapeflow.schemas.errors import TapeflowError
from tapeflow.schemas.time import MAX_NS, MIN_NS

FACTS = {  # by name of the counter: table, meaning
    "bars": ("bars", "Bars closed"),
    "signals": ("signals", "Signals of strategies"),
    "orders": ("orders", "Orders approved"),
    "fills": ("fills", "Fills"),
    "late_trades": ("late_trades", "Trades whose bar had closed"),
    "dead_letters": ("dead_letters", "Frames that could not be read"),
}
REFUSALS = "SELECT 'refusals', reason, count(*) FROM decisions WHERE reason <> '' GROUP BY ALL"
COMMITTED = " UNION ALL ".join(
    [
        REFUSALS,
        *(f"SELECT '{name}', '', count(*) FROM {table}" for name, (table, _) in FACTS.items()),
    ]
)


class RunMetrics:
    """What a run shows at each scrape; it is a collector of prometheus_client."""

    def __init__(self, plan: Plan) -> None:
        """Show the build alone, until `watch` is called."""
        self.plan = plan
        self.progress: Progress | None = None
        self.highest: dict[tuple[str, str], float] = {}  # by counter and label

    def watch(self, plan: Plan, progress: Progress) -> None:
        """Show the progress of a plan from now on."""
        self.plan, self.progress = plan, progress

    def collect(self) -> Iterator[Metric]:
        """Yield all metrics, as they are now."""
        build = {
            "version": package_version(),
            "python": platform.python_version(),
            "flow": self.plan.flow,
            "command": self.plan.command,
        }
        yield InfoMetricFamily("tapeflow_build", "What runs", value=build)
        if self.progress is not None:
            yield from self._partitions(self.progress)
            restarts = self.progress.restarts
            yield self._counter("restarts", "Restarts after a process failed", restarts)
        if self.plan.state is not None:
            size = folder_bytes(self.plan.state)
            yield GaugeMetricFamily("tapeflow_state_bytes", "Size of the state folder", size)
        yield from self._facts()

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
            records.add_metric(label, self._most("records", name, progress.records_of(name)))
            if log_ns not in (MIN_NS, MAX_NS):
                log_time.add_metric(label, log_ns / 1e9)
                if name in live:
                    lag.add_metric(label, (time.time_ns() - log_ns) / 1e9)
            if name in live:
                behind.add_metric(label, progress.behind_s_of(name))
        yield from (records, log_time, lag, behind)
        if (share := progress.share()) is not None:
            yield GaugeMetricFamily("tapeflow_read_ratio", "Share of the log read, 0 to 1", share)

    def _facts(self) -> Iterator[Metric]:
        """Yield counts of committed facts; those of the last scrape while none can be read."""
        with suppress(TapeflowError):
            found = query_running(self.plan.results, COMMITTED)
            for name, reason, count in () if found is None else found.rows:
                self._most(name, reason, count)
        refusals = CounterMetricFamily(
            "tapeflow_refusals", "Intents that a risk check denied", labels=["reason"]
        )
        for (name, reason), count in sorted(self.highest.items()):
            if name == "refusals":
                refusals.add_metric([reason], count)
        yield refusals
        for name, (_, meaning) in FACTS.items():
            if (name, "") in self.highest:
                yield self._counter(name, meaning, self.highest[name, ""])

    def _counter(self, name: str, meaning: str, value: float) -> Metric:
        return CounterMetricFamily(f"tapeflow_{name}", meaning, value)

    def _most(self, name: str, label: str, value: float) -> float:
        """Return the highest value that a counter has had."""
        self.highest[name, label] = max(self.highest.get((name, label), 0.0), float(value))
        return self.highest[name, label]


def folder_bytes(folder: Path) -> int:
    """Return the size of the files below a folder, some of which may vanish meanwhile."""
    total = 0
    for path in folder.rglob("*"):
        with suppress(OSError):
            total += path.stat().st_size if path.is_file() else 0
    return total
