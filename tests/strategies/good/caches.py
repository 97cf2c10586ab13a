"""What is remembered outside of the state only saves work; seeded draws; a file read when loaded."""

import logging
import math
import random
import time  # imported, and not called in a handler
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from tapeflow import BUY, Bar, Context, Requests, SetTimer, Strategy, Submit, TimerEvent

LINES = len(Path(__file__).read_text().splitlines())
LOADED = time.monotonic()
LOG = logging.getLogger(__name__)


@cache
def weight(hour: int) -> float:
    return math.exp(-hour / LINES)


class Caches(Strategy):
    """Buys with a probability that its event says."""

    def on_bar(self, state: None, bar: Bar, context: Context) -> Requests:
        import json  # noqa: PLC0415  # an import in a handler is no misdeed

        moment = datetime.fromtimestamp(bar.close_ns / 1e9, UTC)
        draw = random.Random(f"{bar.instrument} {bar.close_ns}").random()
        LOG.debug("%s draws %s", json.dumps(bar.instrument), draw)
        if draw < 0.05 * weight(moment.hour):
            yield Submit(bar.instrument, BUY)
        if draw > 0.99:
            yield SetTimer(context.time_ns + 5 * 10**9, name=bar.instrument)

    def on_timer(self, state: None, timer: TimerEvent, context: Context) -> Requests:
        return [Submit(timer.name, BUY)] if context.holding(timer.name) < 1 else []
