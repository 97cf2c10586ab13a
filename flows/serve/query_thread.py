"""A thread that runs queries one at a time: so many clients cost a flow as much as one."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import Full, Queue
from typing import Any, TypeVar

T = TypeVar("T")
WAITING_MOST = 64  # calls; more are refused


class BusyError(Exception):
    """Too many calls wait."""


class QueryThread:
    """Runs calls in turn on a daemon thread, which does not hold up the end of the process."""

    def __init__(self) -> None:
        """Start the thread."""
        self.calls: Queue[tuple[Future[Any], Callable[[], Any]]] = Queue(WAITING_MOST)
        threading.Thread(target=self._run, daemon=True).start()

    async def run(self, call: Callable[[], T]) -> T:
        """Return what a call returns.

        Raises BusyError where too many wait, and what the call raises.
        """
        return await asyncio.wrap_future(self.submit(call))

    def submit(self, call: Callable[[], T]) -> "Future[T]":
        """Return what will be the result of a call.

        Raises BusyError where too many wait.
        """
        future: Future[T] = Future()
        try:
            self.calls.put_nowait((future, call))
        except Full:
            raise BusyError from None
        return future

    def _run(self) -> None:
        while True:
            future, call = self.calls.get()
            if not future.set_running_or_notify_cancel():
                continue  # its client has gone
            try:
                future.set_result(call())
            except BaseException as error:
                future.set_exception(error)
