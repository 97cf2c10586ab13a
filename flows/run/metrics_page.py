"""The HTTP server of a run's metrics: GET /metrics, in the text format of Prometheus."""

from socket import AF_INET6
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import ThreadingWSGIServer, make_wsgi_app
from prometheus_client.registry import Collector


class QuietServer(ThreadingWSGIServer):
    """A server that says nothing where a reader goes away."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: the next scrape comes."""


class QuietServerV6(QuietServer):
    """The same, at an address of IPv6."""

    address_family = AF_INET6


class QuietHandler(WSGIRequestHandler):
    """A handler that writes no line for each request."""

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the base class's name
        """Write nothing."""


def listen(host: str, port: int, metrics: Collector) -> WSGIServer:
    """Listen on a host, by name or address, for requests of the metrics.

    Raises OSError where the port cannot be had.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(metrics)
    ProcessCollector(registry=registry)  # of this process: `process_*`
    server = QuietServerV6 if ":" in host else QuietServer
    return make_server(host, port, make_wsgi_app(registry), server, QuietHandler)
