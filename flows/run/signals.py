"""SIGTERM and SIGINT as a request to stop: sources end their input, and state is preserved."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tapeflow.connectors.source.source import STOP_REQUESTED

SIGNALS = (signal.SIGTERM, signal.SIGINT)
RECEIVED: list[int] = []  # numbers of the signals that stopped the sources, oldest first


def stop_on_signals() -> None:
    """Let signals stop the sources, for the rest of this process."""
    for number in SIGNALS:
        signal.signal(number, request_stop)


def request_stop(number: int, _frame: object) -> None:
    """Stop the sources, as the handler of a signal."""
    RECEIVED.append(number)
    STOP_REQUESTED.set()


def first_signal() -> signal.Signals:
    """Return the signal that stopped the sources."""
    return signal.Signals(RECEIVED[0]) if RECEIVED else signal.SIGTERM


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
