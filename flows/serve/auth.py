"""Authenticate a viewer: a token once in the URL, then a cookie; and only by names of this host.

/?token=..  ──▶ 303 to /, with the cookie    any other request ──▶ its cookie, else 401
Host header that is not one of ours ──▶ 421  (a name that another site points at this address)
"""

import hashlib
import ipaddress
import secrets
import socket
from collections.abc import Callable, Mapping

from tapeflow.schemas.errors import UsageError

TOKEN_LEAST = 24  # characters of a token that the user gives
TOKEN_BYTES = 24  # of one that we draw


class Doorkeeper:
    """Checks the token, the cookie and the Host header of requests."""

    def __init__(self, token: str, host: str, port: int) -> None:
        """Let those in who have the token."""
        self.token, self.host = token, host
        self.cookie = f"tapeflow_{port}"  # browsers share cookies among the ports of a host
        self.session = hashlib.sha256(f"tapeflow serve {token}".encode()).hexdigest()

    def is_token(self, text: str) -> bool:
        """Return whether this is the token, in a time that does not depend on its text."""
        return secrets.compare_digest(text.encode(), self.token.encode())

    def is_session(self, cookies: Mapping[str, str]) -> bool:
        """Return whether cookies have the session of the token."""
        text = cookies.get(self.cookie, "")
        return secrets.compare_digest(text.encode(), self.session.encode())

    def is_our_name(self, header: str) -> bool:
        """Return whether a Host header names this server rather than a site that points at it."""
        name = host_name(header)
        if name == "localhost" or is_loopback(name):
            return True
        if is_loopback(self.host):
            return False
        return is_address(name) or name in {self.host.lower(), socket.gethostname().lower()}


def host_name(header: str) -> str:
    """Return the name in a Host header, without its port.

    >>> host_name("LOCALHOST:8080"), host_name("[::1]:8080"), host_name("127.0.0.1")
    ('localhost', '::1', '127.0.0.1')
    """
    text = header.strip().lower()
    return text[1:].partition("]")[0] if text.startswith("[") else text.partition(":")[0]


def is_address(name: str) -> bool:
    """Return whether a name is an IP address."""
    return matches(name, lambda _: True)


def is_loopback(name: str) -> bool:
    """Return whether a name is an address of the loopback, or `localhost`."""
    return name == "localhost" or matches(name, lambda address: address.is_loopback)


def matches(
    name: str, check: Callable[[ipaddress.IPv4Address | ipaddress.IPv6Address], bool]
) -> bool:
    """Return whether a name is an IP address for which a check holds."""
    try:
        return check(ipaddress.ip_address(name))
    except ValueError:
        return False


def choose_token(given: str | None, host: str) -> str:
    """Return the token: the one that was given, else a fresh one.

    Raises UsageError where one must be given, or is too short.
    """
    if given is None:
        if not is_loopback(host):
            raise UsageError(
                f"--host {host} lets other machines in: name a token of at least {TOKEN_LEAST} "
                "characters with --token @FILE, or use ssh -L instead (docs/serve.md)"
            )
        return secrets.token_urlsafe(TOKEN_BYTES)
    if len(given) < TOKEN_LEAST or not given.isascii() or not given.isprintable():
        raise UsageError(
            f"--token has {len(given)} characters: at least {TOKEN_LEAST} of printable ASCII"
        )
    return given
