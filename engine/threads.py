"""Python's state of the engine's threads, and a thread that calls a function periodically."""

import ctypes
import threading
from collections.abc import Callable
from typing import Self


def keep_thread_state() -> None:
    """Keep the calling thread's Python thread state for as long as the process lives.

    The engine's threads are not Python's: on each of about fifty calls a page Python would allocate
    a thread state for them and free it afterwards. Mapping and unmapping that memory interrupts
    all other processors. The state of a thread that has ended is freed with the process.
    """
    ctypes.pythonapi.PyGILState_Ensure()


class PeriodicThread:
    """A daemon thread that calls a function every `interval_s` seconds inside a `with` block.

    with PeriodicThread(look, 0.25):
        ...                             look() after 0.25 s, 0.5 s, ...; never after the block
    """

    def __init__(self, call: Callable[[], object], interval_s: float) -> None:
        """Prepare to call `call`; an error that it raises ends the thread."""
        self.call, self.interval_s = call, interval_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(self.interval_s):
            self.call()
