"""Python's state of the engine's threads, and threads that call a function: once, or often."""

import ctypes
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Self, TypeVar

T = TypeVar("T")

INTERRUPT_S = 2.0  # for a call to end after its interrupt


def keep_thread_state() -> None:
    """Keep the calling thread's Python thread state for as long as the process lives.

    The engine's threads are not Python's: on each of about fifty calls a page Python would allocate
    a thread state for them and free it afterwards. Mapping and unmapping that memory interrupts
    all other processors. The state of a thread that has ended is freed with the process.
    """
    ctypes.pythonapi.PyGILState_Ensure()


def call_on_thread(call: Callable[[], T], interrupt: Callable[[], object] | None = None) -> T:
    """Return what a call returns that no signal could interrupt: Ctrl-C ends the wait for it.

    Where there is an `interrupt`, it is called then, and should end the call too.
    """
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(call())
        except BaseException as error:
            future.set_exception(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        return future.result()
    except KeyboardInterrupt:
        if interrupt is not None:
            interrupt()
            thread.join(INTERRUPT_S)
        raise


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
