"""Observe a run while it goes on, where that is wanted: log, metrics and alerts.

run_plan ──▶ observing ─┬─▶ run_log.py             TAPEFLOW_LOG_FORMAT=json
                        ├─▶ metrics_server.py      [metrics] port
                        └─▶ flows/alerts/          [alerts] webhook
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from tapeflow.connectors.source.progress import Progress
from tapeflow.flows.run.log import live_partitions
from tapeflow.flows.run.metrics_server import serving_metrics
from tapeflow.flows.run.plan import Plan
from tapeflow.flows.run.run_log import logging_run
from tapeflow.flows.run.watch import Watch
from tapeflow.schemas.notify import Notify

__all__ = ["Watch", "observing"]


@contextmanager
def observing(plan: Plan, notify: Notify) -> Iterator[Watch]:
    """Serve metrics and send alerts inside the `with` block.

    Yields the function that shows them the progress of a run.

    Raises TapeflowError where the port of the metrics cannot be had.
    """
    with ExitStack() as contexts:
        watches = [contexts.enter_context(logging_run(plan, notify))]
        counters = None
        if sends_alerts(plan):
            from tapeflow.flows.alerts.alerting import alerting  # noqa: PLC0415  # slow to import

            alerts = contexts.enter_context(alerting(plan, notify))
            watches.append(alerts.watch)
            counters = alerts.sender.counters
        watches.append(contexts.enter_context(serving_metrics(plan, counters)))

        def watch(opened: Plan, progress: Progress) -> None:
            for each in watches:
                each(opened, progress)

        yield watch


def sends_alerts(plan: Plan) -> bool:
    """Return whether a run sends alerts: a replay only where the job says so."""
    settings = plan.job.alerts
    return bool(settings.webhook) and (settings.replays or bool(live_partitions(plan.log)))
