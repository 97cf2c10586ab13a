"""SIGTERM and SIGINT as a request to stop: sources end their input, and state is preserved."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tapeflow.connectors.source.source import STOP_REQUESTED

SIGNALS = (signal.SIGTERM, signal.SIGINT)


def stop_on_signals() -> None:
    """Let signals stop the sources, for the rest of this process."""
    for number in SIGNALS:
        signal.signal(number, lambda *_: STOP_REQUESTED.set())


@contextmanager
def stopping_on_signals() -> Iterator[None]:
    """Let signals stop the sources inside the `with` block; what was read is still processed."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}
    stop_on_signals()
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
