"""Serves the metrics of a run while it runs, if its job wants that."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from typing import TYPE_CHECKING

from tapeflow.flows.run.plan import Plan
from tapeflow.flows.run.watch import Watch
from tapeflow.schemas.errors import TapeflowError

if TYPE_CHECKING:
    from tapeflow.flows.run.metrics import Counters


@contextmanager
def serving_metrics(plan: Plan, alerts: "Counters | None" = None) -> Iterator[Watch]:
    """Serve the metrics of a plan inside the `with` block, unless `[metrics] port` is 0.

    `alerts` yields the counters of the run's alerts.

    Yields the function that lets them show the progress of a run.

    Raises TapeflowError where the port cannot be had.
    """
    settings = plan.job.metrics
    if not settings.port:
        yield lambda _plan, _progress: None
        return
    from tapeflow.flows.run.metrics import RunMetrics  # noqa: PLC0415  # slow to import
    from tapeflow.flows.run.metrics_page import listen  # noqa: PLC0415

    metrics = RunMetrics(plan)
    metrics.alerts = alerts
    try:
        server = listen(settings.host, settings.port, metrics)
    except OSError as error:
        raise TapeflowError(
            f"metrics cannot be served at {settings.host} port {settings.port}: {error.strerror}: "
            "change [metrics] port, 0 for none"
        ) from None
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield metrics.watch
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
