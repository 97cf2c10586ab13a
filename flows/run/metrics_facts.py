"""Metrics of committed facts: counters and the newest values, read from the run at each scrape.

    query of the run ──rows──▶ FactMetrics.apply ──▶ families of prometheus_client

Where the run does not answer, as while its processes start again, the values of the last answer
stay, and `tapeflow_facts_read_timestamp_seconds` says from when they are.
"""

import json
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from threading import Lock

from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    Metric,
)

from tapeflow.connectors.duckdb.flight import query_running
from tapeflow.flows.run.metrics_families import gauge, latency_family, open_orders_family
from tapeflow.flows.run.metrics_limits import drawdown_families
from tapeflow.flows.run.metrics_names import COUNTERS, GAUGES
from tapeflow.flows.run.metrics_queries import BUCKETS_S, CHUNK, scrape_query
from tapeflow.flows.run.plan import Plan
from tapeflow.schemas.errors import TapeflowError

STATES = ("ACTIVE", "REDUCING", "HALTED", "KILLED")
READ_S = 0.5  # about; a scrape reads no further chunk after it
Row = tuple[str, str, str, str, float, int]


class FactMetrics:
    """Everything that is known of the committed facts of one run."""

    def __init__(self, plan: Plan) -> None:
        """Know nothing until the first scrape."""
        self.plan = plan
        self.seen: dict[str, int] = {}  # by account: number of the last fact
        self.seen_events: dict[str, int] = {}
        self.newest: dict[str, int] = {}  # while it catches up
        self.catching_up, self.reading = True, Lock()  # of two scrapes at once one waits
        self.counts: dict[str, float] = {}
        self.refusals: dict[str, float] = defaultdict(float)
        self.gauges: dict[str, dict[tuple[str, ...], float]] = defaultdict(dict)
        self.states: dict[str, str] = {}
        self.limits: dict[tuple[str, str], tuple[float, float]] = {}  # scope, code: observed, limit
        self.latency: dict[str, dict[str, int]] = {}  # by account and bucket
        self.latency_sum: dict[str, float] = defaultdict(float)
        self.open: dict[str, tuple[str, str]] = {}  # by order: account, strategy
        self.read_at: float | None = None

    def read(self) -> None:
        """Read what was committed since the last time; keep what is known where nobody answers."""
        deadline = time.monotonic() + READ_S
        names = [each.name for each in self.plan.job.accounts]
        while True:
            sql = scrape_query(
                {name: self.seen.get(name, -1) for name in names},
                {name: self.seen_events.get(name, -1) for name in names},
                order_events=self.plan.job.results.order_events,
                catching_up=self.catching_up,
            )
            try:
                found = query_running(self.plan.results, sql)
            except TapeflowError:
                self.catching_up = True  # there may have been too much
                return
            if found is None:
                return
            self.apply(found.rows)
            if self.catching_up:
                places = self.newest.items()
                self.catching_up = any(self.seen[name] < number for name, number in places)
            if not self.catching_up:
                self.read_at = time.time()
                return
            if time.monotonic() > deadline:
                return

    def apply(self, rows: list[Row]) -> None:
        """Apply the rows of one query."""
        checks: list[str] = []
        for kind, a, b, c, value, seq in rows:
            if kind in COUNTERS:
                self.counts[kind] = max(self.counts.get(kind, 0.0), value)
            elif kind in GAUGES:
                labels = (a, b, c)[: len(GAUGES[kind][2])]
                self.gauges[kind][labels] = value
            elif kind == "checks":
                checks.append(b)
            else:
                self._apply_other(kind, a, b, c, value, seq)
        for text in checks:  # the newest comes last
            self._apply_checks(text)

    def _apply_other(self, kind: str, a: str, b: str, c: str, value: float, seq: int) -> None:
        if kind == "refusals" and b:
            self.refusals[b] += value
        elif kind == "state":
            self.states[a] = b
        elif kind == "equity_high":
            self.gauges[kind][a,] = max(self.gauges[kind].get((a,), 0.0), value)
        elif kind == "equity_now":
            self.gauges[kind][a,] = value
        elif kind == "latency":
            buckets = self.latency.setdefault(a, dict.fromkeys((*map(str, BUCKETS_S), "+Inf"), 0))
            buckets[b] += seq
            self.latency_sum[a] += value
        elif kind == "opened":
            self.open[a] = b, c
        elif kind == "closed":
            self.open.pop(a, None)
        elif kind == "seen":
            self.seen[a] = seq
        elif kind == "newest":
            self.newest[a] = seq
            self.seen[a] = min(self.seen.get(a, -1) + CHUNK, seq)
        elif kind == "events":
            self.seen_events[a] = max(self.seen_events.get(a, -1), seq)

    def _apply_checks(self, text: str) -> None:
        for code, _passed, observed, limit, scope in json.loads(text or "[]"):
            if scope:
                with suppress(ValueError):
                    self.limits[scope, code] = float(observed), float(limit)

    def collect(self) -> Iterator[Metric]:
        """Read, and yield all families."""
        with self.reading:
            self.read()
        for name, meaning in COUNTERS.items():
            if name in self.counts:
                yield CounterMetricFamily(f"tapeflow_{name}", meaning, self.counts[name])
        refusals = CounterMetricFamily(
            "tapeflow_refusals", "Intents that a risk check denied", labels=["reason"]
        )
        for reason, count in sorted(self.refusals.items()):
            refusals.add_metric([reason], count)
        yield refusals
        for kind, (name, meaning, labels) in GAUGES.items():
            yield gauge(name, meaning, labels, self.gauges[kind])
        yield from self._states()
        yield from self._limits()
        if self.plan.job.results.order_events:
            names = [(each.account, each.name) for each in self.plan.job.strategies]
            yield open_orders_family(names, self.open)
        yield latency_family(self.latency, self.latency_sum)
        if self.read_at is not None:
            yield GaugeMetricFamily(
                "tapeflow_facts_read_timestamp_seconds",
                "Wall time at which the run last answered for the metrics of facts, since 1970",
                self.read_at,
            )

    def _states(self) -> Iterator[Metric]:
        job = self.plan.job
        scopes = {"portfolio": "ACTIVE"} if job.accounts else {}
        scopes |= {f"account:{each.name}": "ACTIVE" for each in job.accounts}
        scopes |= {f"strategy:{each.name}": "ACTIVE" for each in job.strategies}
        values = {
            (scope, state): float(state == present)
            for scope, present in {**scopes, **self.states}.items()
            for state in STATES
        }
        yield gauge(
            "tapeflow_trading_state",
            "1 of the trading state that a scope has, 0 of the others",
            ["scope", "state"],
            values,
        )

    def _limits(self) -> Iterator[Metric]:
        labels = ["scope", "code"]
        observed = {key: pair[0] for key, pair in self.limits.items()}
        limits = {key: pair[1] for key, pair in self.limits.items()}
        text = "by a risk check, at the last decision that it met"
        yield gauge("tapeflow_limit_observed", f"Observed {text}", labels, observed)
        yield gauge("tapeflow_limit_value", f"Limit {text}", labels, limits)
        yield from drawdown_families(
            self.plan.job, self.gauges["equity_high"], self.gauges["equity_now"]
        )
