"""Watches the wall clock: where it is set back, the engine ends no epoch until it has caught up.

    monotonic   0    1    2    3    4
    wall        0    1   -8   -7   -6     set back by 10 s: nothing is committed for 10 s

Reading does not stop (connectors/source/polling.py). A process that has a supervisor ends itself,
and all start again from the last epoch: an engine that starts now counts from the new time.
"""

import os
import time

from tapeflow.engine.threads import PeriodicThread
from tapeflow.schemas.notify import WARNING, Notice, Notify

LOOK_S = 0.25
STEP_S = 1.0  # as long as an epoch: smaller steps delay a commit by less than that


class ClockWatch(PeriodicThread):
    """Compares the wall clock with the monotonic one inside a `with` block."""

    def __init__(self, notify: Notify, *, supervised: bool) -> None:
        """End the process where the clock is set back and it is `supervised`, else notify."""
        super().__init__(self._look, LOOK_S)
        self.notify, self.supervised = notify, supervised
        self.ahead_s = ahead_s()

    def _look(self) -> None:
        back_s = self.set_back_s(ahead_s())
        if not back_s:
            return
        line = f"the clock was set back by {back_s:.0f} s"
        if self.supervised:
            line = f"{line}: the engine has to start again"
            self.notify(Notice(line, "clock", WARNING, back_s=back_s))
            os._exit(1)
        line = f"{line}: nothing is committed until it has caught up"
        self.notify(Notice(line, "clock", WARNING, back_s=back_s))

    def set_back_s(self, ahead_now_s: float) -> float:
        """Return by how much the clock was set back since the last look; 0: it was not."""
        back_s, self.ahead_s = self.ahead_s - ahead_now_s, ahead_now_s
        return back_s if back_s >= STEP_S else 0.0


def ahead_s() -> float:
    """Return by how many seconds the wall clock is ahead of the monotonic one."""
    return time.time() - time.monotonic()
