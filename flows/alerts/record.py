"""The record of what was delivered, so that a run that starts again does not send it again.

    STATE/alerts.json    {"name": "8f2c..", "reached": {"states": 17, ...}, "sent": ["5d0a..", ..]}

`name` is drawn once for a state: ids of alerts follow from it, and differ between states. A
delivery is recorded after it: where the process dies in between, the alert is sent again with the
same id.
"""

import json
import os
import secrets
from contextlib import suppress
from pathlib import Path

from tapeflow.flows.alerts.alert import Alert

FILE = "alerts.json"
SENT_MAX = 200  # ids of alerts without a place


class Record:
    """What was delivered of the alerts of one state."""

    def __init__(self, state: Path | None) -> None:
        """Read the record in the folder of a state; without one it lasts as long as the run."""
        self.path = None if state is None else state / FILE
        self.name, self.reached, self.sent = secrets.token_hex(8), dict[str, int](), list[str]()
        self.is_new = True
        if self.path is not None:
            with suppress(OSError, ValueError, KeyError, TypeError):  # none yet, or damaged
                found = json.loads(self.path.read_text())
                self.name, self.sent = str(found["name"]), list(found["sent"])
                self.reached = {str(key): int(value) for key, value in found["reached"].items()}
                self.is_new = False

    def holds(self, alert: Alert) -> bool:
        """Return whether an alert was delivered."""
        if alert.place is not None:
            return self.reached.get(alert.place.track, -1) >= alert.place.number
        return alert.id in self.sent

    def add(self, alert: Alert) -> None:
        """Add an alert that was delivered, and write the record."""
        if alert.place is not None:
            track = alert.place.track
            self.reached[track] = max(self.reached.get(track, -1), alert.place.number)
        else:
            self.sent = [*self.sent[1 - SENT_MAX :], alert.id]
        self.write()

    def write(self) -> None:
        """Replace the file; a full disk is no reason to stop, and the worst is a repetition."""
        if self.path is None:
            return
        text = json.dumps({"name": self.name, "reached": self.reached, "sent": self.sent})
        following = self.path.with_name(f"{FILE}.next")
        with suppress(OSError):
            following.write_text(text)
            os.replace(following, self.path)
