"""An alert: one thing that happened, with the id by which a receiver knows it again."""

import hashlib
from datetime import UTC, datetime
from typing import Literal

from msgspec import Struct

from tapeflow.flows.job.alerts import Event

Severity = Literal["info", "warning", "critical"]
ID_DIGITS = 24  # hexadecimal


class Place(Struct, frozen=True):
    """The place of an alert in what it comes from: of places in one `track`, later is greater."""

    track: str  # "states", or "dead_letters:PARTITION"
    number: int


class Alert(Struct, frozen=True, kw_only=True):
    """One thing that happened."""

    id: str
    event: Event
    severity: Severity
    text: str
    details: dict[str, str | int]
    time: str  # wall time in UTC at which it was noticed
    place: Place | None = None  # None: it can be known only while it happens


def make_alert(
    event: Event,
    severity: Severity,
    text: str,
    identity: tuple[object, ...],
    details: dict[str, str | int],
    place: Place | None = None,
) -> Alert:
    """Make an alert whose id follows from `identity` alone: the same thing has the same id."""
    whole = "\n".join(map(str, (event, *identity)))
    return Alert(
        id=hashlib.sha256(whole.encode()).hexdigest()[:ID_DIGITS],
        event=event,
        severity=severity,
        text=text,
        details=details,
        time=datetime.now(UTC).isoformat(timespec="milliseconds"),
        place=place,
    )
