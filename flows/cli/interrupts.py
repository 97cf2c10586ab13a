"""SIGTERM ends a command as Ctrl-C does: what it has open is closed, and its exit code says so.

A run of a flow has handlers of its own (flows/run/signals.py) while it runs.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

QUERY_INTERRUPTED = "Query interrupted"  # DuckDB's own error for a signal on the main thread

_received: list[int] = []  # numbers of signals that were raised as interrupts


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
    _received.append(number)
    raise KeyboardInterrupt(number)


def restore_interrupt(error: BaseException) -> BaseException:
    """Return the interrupt that DuckDB has replaced by an error of its own, or the error itself."""
    if isinstance(error, RuntimeError) and str(error) == QUERY_INTERRUPTED:
        return KeyboardInterrupt(*_received[-1:])
    return error


def signal_of(interrupted: KeyboardInterrupt) -> signal.Signals:
    """Return the signal that an interrupt stands for: Python's own has no number."""
    return signal.Signals(interrupted.args[0]) if interrupted.args else signal.SIGINT
