"""Sends alerts one after the other, on a thread of its own; a flow never waits for it.

    add ──▶ queue (bounded) ──▶ post ──▶ record
                                 └─fails─▶ pause: backoff x 2^n, shortened at random ─▶ post

While the receiver is away the rest waits in the queue; what has no room there is dropped.
"""

import random
import threading
from collections import deque
from collections.abc import Callable, Iterator
from time import monotonic

from tapeflow.flows.alerts.alert import Alert
from tapeflow.flows.alerts.webhook import DeliveryError, Webhook
from tapeflow.flows.job.alerts import Alerts
from tapeflow.schemas.notify import WARNING, Notice, Notify

PAUSE_MAX_S = 60.0


class Sender:
    """The thread that sends, and its queue."""

    def __init__(
        self,
        settings: Alerts,
        payload_of: Callable[[Alert], dict[str, object]],
        delivered: Callable[[Alert], None],
        notify: Notify,
    ) -> None:
        """Start the thread; `delivered` is called on it after each alert that has arrived."""
        self.settings, self.webhook = settings, Webhook(settings)
        self.payload_of, self.delivered, self.notify = payload_of, delivered, notify
        self.queue: deque[Alert] = deque()
        self.changed = threading.Condition()
        self.deadline: float | None = None  # monotonic, s; set at the end
        self.sent = self.failed = self.dropped = 0
        self.is_failing = self.is_full = self.closed = False
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def add(self, alert: Alert) -> None:
        """Queue an alert, or drop it where there is no room; returns at once."""
        with self.changed:
            full = len(self.queue) >= self.settings.queue
            if full:
                self.dropped += 1
            else:
                self.queue.append(alert)
                self.changed.notify_all()
        if full and not self.is_full:
            self._warn(f"{self.settings.queue:,} alerts wait for {self.webhook.host}: the next "
                       "are dropped", "alerts_full")  # fmt: skip
        self.is_full = full

    def counters(self) -> Iterator[tuple[str, str, float]]:
        """Yield name, meaning and value of each counter."""
        yield "alerts_sent", "Alerts that the webhook has accepted", self.sent
        yield "alerts_failed", "Requests to the webhook that failed", self.failed
        yield "alerts_dropped", "Alerts given up, or without room to wait", self.dropped

    def close(self, patience_s: float) -> None:
        """Send what waits, without pauses and for at most so long; say what is left."""
        with self.changed:
            self.deadline = monotonic() + patience_s
            self.changed.notify_all()
        self.thread.join(patience_s)
        with self.changed:
            left, self.closed = len(self.queue), True
            self.queue.clear()
            self.dropped += left
        if left:
            self._warn(f"{left:,} alerts were not sent to {self.webhook.host}", "alerts_left")

    def _run(self) -> None:
        while (alert := self._next()) is not None:
            try:
                arrived = self._deliver(alert)
                if arrived:
                    self.delivered(alert)
            except Exception as error:  # whatever it is, the flow goes on
                arrived = False
                self._warn(f"an alert failed: {type(error).__name__}: {error}", "alerts_failing")
            with self.changed:
                if self.closed:
                    return  # it was counted as left
                self.queue.popleft()
                self.dropped += not arrived

    def _next(self) -> Alert | None:
        """Wait for an alert; None at the end."""
        with self.changed:
            self.changed.wait_for(lambda: self.queue or self.deadline is not None)
            late = self.deadline is not None and monotonic() > self.deadline
            return self.queue[0] if self.queue and not late else None

    def _deliver(self, alert: Alert) -> bool:
        """Send one alert until it has arrived; return False where it is given up."""
        for attempt in range(self.settings.retries + 1):
            try:
                self.webhook.post(alert.id, self.payload_of(alert))
            except DeliveryError as error:
                self.failed += 1
                again = attempt < self.settings.retries and not error.final
                self._report(error, given_up=not again)
                if not again or not self._pause(attempt, error.after_s):
                    return False
            else:
                self.sent += 1
                if self.is_failing:
                    self.is_failing = False
                    line = f"alerts: {self.webhook.host} accepts them again"
                    self.notify(Notice(line, "alerts_recovered"))
                return True
        return False

    def _pause(self, attempt: int, after_s: float) -> bool:
        """Wait before the next attempt; return whether there is time for one."""
        longest_s = min(self.settings.backoff / 1e9 * 2.0**attempt, PAUSE_MAX_S)
        pause_s = max(longest_s * random.uniform(0.5, 1.0), after_s)
        with self.changed:
            self.changed.wait_for(lambda: self.deadline is not None, pause_s)
            return self.deadline is None or monotonic() < self.deadline

    def _report(self, error: DeliveryError, *, given_up: bool) -> None:
        """Write a line at the first failure of an outage, and for each alert that is given up."""
        if given_up:
            self._warn(f"alerts: {error}: an alert is given up", "alerts_dropped")
        elif not self.is_failing:
            self._warn(f"alerts: {error}: sent again after a pause", "alerts_failing")
        self.is_failing = True

    def _warn(self, line: str, event: str) -> None:
        if not (self.closed and event != "alerts_left"):
            self.notify(Notice(line, event, WARNING))
