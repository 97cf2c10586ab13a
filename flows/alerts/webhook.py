"""One request to a webhook: POST of JSON, and whether to send it again.

2xx ─▶ delivered      408, 425, 429, 5xx, no answer ─▶ again      other ─▶ refused for good
"""

import json
import socket
from contextlib import closing, suppress
from http.client import HTTPConnection, HTTPException, HTTPSConnection, InvalidURL
from threading import Timer
from typing import Any
from urllib.parse import urlsplit

from tapeflow.flows.job.alerts import Alerts
from tapeflow.flows.run.version import package_version

AGAIN = {408, 425, 429}  # of the 4xx: not now
RETRY_AFTER_MAX_S = 300.0
REFUSED_FROM, SERVER_ERRORS = 300, 500


class DeliveryError(Exception):
    """A request that failed; it names the host of the webhook, never the whole address."""

    def __init__(self, line: str, *, final: bool = False, after_s: float = 0.0) -> None:
        """`final`: it would fail again; `after_s` is the pause that the receiver wants."""
        super().__init__(line)
        self.final, self.after_s = final, after_s


class Webhook:
    """The webhook of a job."""

    def __init__(self, settings: Alerts) -> None:
        """Prepare requests; none is sent yet."""
        parts = urlsplit(settings.webhook)
        self.host = parts.hostname or ""
        self.port, self.secure = parts.port, parts.scheme == "https"
        self.target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self.timeout_s = settings.timeout / 1e9
        self.headers = {
            "Content-Type": "application/json",
            "User-Agent": f"tapeflow/{package_version()}",
            **settings.headers,
        }

    def post(self, alert_id: str, payload: dict[str, Any]) -> None:
        """Send one alert.

        Raises DeliveryError where it was not accepted within the timeout.
        """
        kind = HTTPSConnection if self.secure else HTTPConnection
        body = json.dumps(payload).encode()
        try:
            with closing(kind(self.host, self.port, timeout=self.timeout_s)) as connection:
                connection.connect()
                late = Timer(self.timeout_s, hang_up, [connection.sock])
                late.daemon = True
                late.start()
                try:
                    headers = {**self.headers, "Idempotency-Key": alert_id}
                    connection.request("POST", self.target, body, headers)
                    answer = connection.getresponse()
                finally:
                    late.cancel()
                status, after = answer.status, answer.headers.get("Retry-After", "")
        except OSError as error:
            reason = error.strerror or str(error) or type(error).__name__
            raise DeliveryError(f"{self.host}: {reason}") from None
        except (HTTPException, ValueError) as error:  # its text may repeat address or headers
            final = isinstance(error, (InvalidURL, ValueError))  # else the answer was broken off
            raise DeliveryError(f"{self.host}: {type(error).__name__}", final=final) from None
        if status >= REFUSED_FROM:
            final = status < SERVER_ERRORS and status not in AGAIN
            after_s = min(float(after), RETRY_AFTER_MAX_S) if after.isdecimal() else 0.0
            raise DeliveryError(f"{self.host}: HTTP {status}", final=final, after_s=after_s)


def hang_up(connection: socket.socket) -> None:
    """Break a connection: what waits for it, fails."""
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
