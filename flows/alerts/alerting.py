"""Alerts of a run, from the process that the user started: it looks, a thread of its own sends.

    progress: restarts, partitions that delay the others ─┐
    a query of the run: states, dead letters, run number ─┼─▶ Alerting ──▶ Sender ──▶ webhook
    the error that ends the run ──────────────────────────┘

Nothing here is part of the flow: no step waits for it, and no failure of it ends a run.
"""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tapeflow.connectors.duckdb.flight import query_running
from tapeflow.connectors.duckdb.query import query
from tapeflow.connectors.duckdb.query_result import QueryResult
from tapeflow.connectors.source.progress import Progress
from tapeflow.engine.threads import PeriodicThread
from tapeflow.flows.alerts.alert import Alert, make_alert
from tapeflow.flows.alerts.facts import STATES, facts_query, make_alerts
from tapeflow.flows.alerts.record import Record
from tapeflow.flows.alerts.sender import Sender
from tapeflow.flows.run import unexpected
from tapeflow.flows.run.log import live_partitions
from tapeflow.flows.run.plan import Plan
from tapeflow.flows.run.results import result_paths
from tapeflow.schemas.errors import StoppedError, TapeflowError
from tapeflow.schemas.notify import WARNING, Notice, Notify

LOOK_S = 1.0
END_S, FAILED_END_S = 1.0, 5.0  # at most, for what waits at the end of a run, or at its failure


class Alerting:
    """Finds what happened in a run, and queues an alert of each thing once."""

    def __init__(self, plan: Plan, notify: Notify) -> None:
        """Send nothing but the end of the run until `watch` is called."""
        self.plan, self.notify = plan, notify
        self.record, self.run_number = Record(None), 0
        self.reached: dict[str, int] = {}  # by track: what was queued
        self.stalls: set[str] = set()  # ids of alerts of stalls that were queued
        self.restarts, self.has_failed, self.has_reported = 0, False, False
        self.progress: Progress | None = None
        self.looking: PeriodicThread | None = None
        self.sender = Sender(plan.job.alerts, self.payload_of, self._record, notify)

    def watch(self, plan: Plan, progress: Progress) -> None:
        """Look at the progress and facts of a run from now on; its state is open."""
        self.plan, self.progress = plan, progress
        self.record = Record(plan.state)
        self.reached = dict(self.record.reached)
        self.looking = PeriodicThread(self.look, LOOK_S)
        self.looking.__enter__()

    def look(self) -> None:
        """Look once."""
        try:
            if self.progress is not None:
                self._look_at_progress(self.progress)
            self._look_at_facts(query_running, self.plan.results)
        except Exception as error:  # whatever it is, the flow goes on
            self._report(error)

    def _report(self, error: Exception) -> None:
        """Write a line where looking fails, once."""
        if not self.has_reported:
            self.has_reported = True
            cause = str(error) if isinstance(error, TapeflowError) else unexpected.describe(error)
            line = f"alerts: states and dead letters cannot be read: {cause}"
            self.notify(Notice(line, "alerts_failing", WARNING))

    def _look_at_progress(self, progress: Progress) -> None:
        while self.restarts < progress.restarts:
            self.restarts += 1
            cause = progress.restart_cause
            self._add(make_alert(
                "restart", "warning", f"{cause}: all processes start again",
                (self.plan.run_id, self.restarts), {"restarts": self.restarts, "cause": cause},
            ))  # fmt: skip
        for name in live_partitions(self.plan.log):
            behind_s, log_ns = progress.behind_s_of(name), progress.log_ns_of(name)
            if behind_s * 1e9 <= self.plan.job.source.stall_warning:
                continue
            alert = make_alert(
                "stalled", "warning", f"{name} holds the desk: silent for {behind_s:.1f} s",
                (self.record.name, name, log_ns), {"partition": name, "log_ns": log_ns},
            )  # fmt: skip
            if alert.id not in self.stalls:
                self.stalls.add(alert.id)
                self._add(alert)

    def _look_at_facts(self, read: Callable[[Path, str], QueryResult | None], file: Path) -> None:
        if self.plan.flow != "trade":
            return
        found = read(file, facts_query(self.reached, self.plan.job.alerts.dead_letters_max))
        if found is None:
            return
        rows: list[Any] = [*found.rows]
        self.run_number = max((number for kind, number, _ in rows if kind == "run"), default=0)
        if self.record.is_new:
            self._begin_record(rows)
        for alert in make_alerts(self.record.name, rows):
            assert alert.place is not None
            track, number = alert.place.track, alert.place.number
            if self.reached.get(track, -1) < number:
                self.reached[track] = number
                self._add(alert)

    def _begin_record(self, rows: list[Any]) -> None:
        """Begin the record; of a state that had earlier runs without alerts, at what is there."""
        self.record.is_new = False
        own_starts = 1 if self.progress is None else 1 + self.progress.restarts
        if self.run_number > own_starts and self.plan.state is not None:
            earlier = [*make_alerts(self.record.name, rows)]
            for alert in earlier:
                assert alert.place is not None
                self.reached[alert.place.track] = alert.place.number
            if earlier:
                line = f"alerts begin now: {len(earlier):,} of earlier runs are not sent"
                self.notify(Notice(line, "alerts_begin"))
        self.record.reached = {STATES: -1, **self.reached}
        self.record.write()

    def report_failure(self, error: BaseException) -> None:
        """Queue the alert of a run that ends by an error."""
        self.has_failed = True
        line = " ".join(str(unexpected.explain(error) or unexpected.describe(error)).split())
        details: dict[str, str | int] = {"error": line}
        self._add(
            make_alert("failed", "critical", f"run ended: {line}", (self.plan.run_id,), details)
        )

    def close(self) -> None:
        """Look a last time, send what waits for a short time, and say what is left."""
        if self.looking is not None:
            self.looking.__exit__()
            work = result_paths(self.plan).work
            file = work if self.plan.state is not None else self.plan.results
            if self.plan.state is not None or not self.has_failed:  # else it is an earlier run's
                try:
                    self._look_at_facts(query, file)
                except Exception as error:
                    self._report(error)
        self.sender.close(FAILED_END_S if self.has_failed else END_S)

    def payload_of(self, alert: Alert) -> dict[str, object]:
        """Return what is posted of an alert (docs/deploy.md)."""
        plan = self.plan
        return {
            "id": alert.id,
            "time": alert.time,
            "event": alert.event,
            "severity": alert.severity,
            "text": f"tapeflow {plan.command}: {alert.text}",
            "details": alert.details,
            "run": {
                "id": plan.run_id,
                "number": self.run_number or None,
                "command": plan.command,
                "flow": plan.flow,
                "host": socket.gethostname(),
                "results": str(plan.results),
            },
        }

    def _add(self, alert: Alert) -> None:
        if alert.event in self.plan.job.alerts.events and not self.record.holds(alert):
            self.sender.add(alert)

    def _record(self, alert: Alert) -> None:
        self.record.add(alert)


@contextmanager
def alerting(plan: Plan, notify: Notify) -> Iterator[Alerting]:
    """Send alerts of a run inside the `with` block, and of the error that ends it."""
    alerts = Alerting(plan, notify)
    try:
        yield alerts
    except (StoppedError, KeyboardInterrupt):
        raise
    except BaseException as error:
        alerts.report_failure(error)
        raise
    finally:
        alerts.close()
