"""The HTTP server of a run's metrics: GET /metrics, in the text format of Prometheus."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from socket import AF_INET, AF_INET6
from threading import Thread
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

from tapeflow.connectors.source.progress import Progress
from tapeflow.flows.run.plan import Plan
from tapeflow.schemas.errors import TapeflowError

Watch = Callable[[Plan, Progress], None]


@contextmanager
def serving_metrics(plan: Plan) -> Iterator[Watch]:
    """Serve the metrics of a plan inside the `with` block, unless `[metrics] port` is 0.

    Yields the function that lets them show the progress of a run.

    Raises TapeflowError where the port cannot be had.
    """
    settings = plan.job.metrics
    if not settings.port:
        yield lambda _plan, _progress: None
        return
    from prometheus_client import CollectorRegistry  # noqa: PLC0415  # slow to import
    from prometheus_client.exposition import make_wsgi_app  # noqa: PLC0415

    from tapeflow.flows.run.metrics import RunMetrics  # noqa: PLC0415

    metrics, registry = RunMetrics(plan), CollectorRegistry(auto_describe=False)
    registry.register(metrics)
    try:
        server = make_server(
            settings.host,
            settings.port,
            make_wsgi_app(registry),
            server_class(settings.host),
            QuietHandler,
        )
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


def server_class(host: str) -> Any:
    """Return the class of a server on a host, by name or address."""
    from prometheus_client.exposition import ThreadingWSGIServer  # noqa: PLC0415  # as above

    class QuietServer(ThreadingWSGIServer):
        """A server that says nothing where a reader goes away."""

        address_family = AF_INET6 if ":" in host else AF_INET

        def handle_error(self, request: Any, client_address: Any) -> None:
            """Say nothing: the next scrape comes."""

    return QuietServer


class QuietHandler(WSGIRequestHandler):
    """A handler that writes no line for each request."""

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the base class's name
        """Write nothing."""
