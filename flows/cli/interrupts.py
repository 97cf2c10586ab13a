"""SIGTERM ends a command as Ctrl-C does: what it has open is closed, and its exit code says so.

A run of a flow has handlers of its own (flows/run/signals.py) while it runs.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn


@contextmanager
def terminating_as_interrupt() -> Iterator[None]:
    """Raise KeyboardInterrupt with the signal's number at a SIGTERM inside the `with` block."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def interrupt(number: int, _frame: object) -> NoReturn:
    """Raise KeyboardInterrupt, as the handler of a signal."""
    raise KeyboardInterrupt(number)


def signal_of(interrupted: KeyboardInterrupt) -> signal.Signals:
    """Return the signal that an interrupt stands for: Python's own has no number."""
    return signal.Signals(interrupted.args[0]) if interrupted.args else signal.SIGINT
