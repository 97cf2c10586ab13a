"""Runs the page's server until a signal: on one socket, without a log of requests."""

import errno
import socket
from types import FrameType

import uvicorn

from tapeflow.flows.serve.app import Site, build_app
from tapeflow.flows.serve.auth import Doorkeeper
from tapeflow.schemas.errors import TapeflowError

PATIENCE_S = 1  # for answers that are under way when it stops


class PageServer(uvicorn.Server):
    """A server whose streams end when it is to stop."""

    def __init__(self, config: uvicorn.Config, site: Site) -> None:
        """Serve a site."""
        super().__init__(config)
        self.site = site

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop, at the first signal."""
        self.site.feed.stopping.set()
        super().handle_exit(sig, frame)


def open_socket(host: str, port: int) -> socket.socket:
    """Return a socket that listens.

    Raises TapeflowError where the port is taken or the address is not of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=128)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise TapeflowError(
                f"port {port} of {host} is taken: name another with --port"
            ) from None
        raise TapeflowError(f"cannot listen on {host} port {port}: {error}") from None


def serve(site: Site, token: str, host: str, listening: socket.socket) -> None:
    """Serve pages until a signal."""
    door = Doorkeeper(token, host, listening.getsockname()[1])
    config = uvicorn.Config(
        build_app(site, door), log_config=None, access_log=False, lifespan="on", ws="none",
        server_header=False, timeout_graceful_shutdown=PATIENCE_S, timeout_keep_alive=15,
        proxy_headers=False, loop="asyncio", http="h11", limit_concurrency=200,
    )  # fmt: skip
    PageServer(config, site).run(sockets=[listening])
