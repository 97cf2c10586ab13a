"""Watches the queries of a running flow: each can be stopped, and none takes the flow's memory.

    every 50 ms:  its reader has gone?  past its time?  more memory than MEMORY_MAX?  ─▶ interrupt

All share the memory limit of the connection that the flow writes with.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from time import monotonic
from typing import Any

import duckdb

LOOK_S = 0.05
TIME_MAX_S = 60.0
MEMORY_MAX = 128 << 20  # bytes above what was in use before, without the cache of tables
MEMORY = "SELECT sum(memory_usage_bytes)::BIGINT FROM duckdb_memory() WHERE tag <> 'BASE_TABLE'"


class QueryWatch:
    """The queries that run now, each on a cursor of its own."""

    def __init__(self) -> None:
        self.running: dict[int, Any] = {}  # cursors by the number of their query
        self.reasons: dict[int, str] = {}  # why a query was interrupted
        self.ended = threading.Condition()
        self.number = 0

    @contextmanager
    def watching(self, cursor: Any, abandoned: Callable[[], bool]) -> Iterator[None]:
        """Interrupt what `cursor` does inside the `with` block where a limit is passed.

        Raises duckdb.InterruptException with the reason.
        """
        with self.ended:
            self.number += 1
            number = self.number
            self.running[number] = cursor
        thread = threading.Thread(target=self._watch, args=(number, abandoned), daemon=True)
        thread.start()
        try:
            yield
        except duckdb.InterruptException:
            raise duckdb.InterruptException(self.reasons.get(number, "interrupted")) from None
        finally:
            with self.ended:
                del self.running[number]
                self.reasons.pop(number, None)
                self.ended.notify_all()
            thread.join()

    def _watch(self, number: int, abandoned: Callable[[], bool]) -> None:
        with self.running[number].cursor() as probe:
            began, before = monotonic(), memory_of(probe)
            while not self._wait_for_end(number, LOOK_S):
                if abandoned():
                    self.interrupt("its reader has gone", number)
                elif monotonic() - began > TIME_MAX_S:
                    self.interrupt(f"it took longer than {TIME_MAX_S:g} s", number)
                elif memory_of(probe) - before > MEMORY_MAX:
                    self.interrupt(f"it needs more than {MEMORY_MAX >> 20} MiB in the flow", number)

    def _wait_for_end(self, number: int, timeout_s: float) -> bool:
        with self.ended:
            return self.ended.wait_for(lambda: number not in self.running, timeout_s)

    def interrupt(self, reason: str, number: int | None = None) -> bool:
        """Interrupt one query, or all; return whether there was one."""
        with self.ended:
            found = [each for each in self.running if number in {None, each}]
            for each in found:
                self.reasons.setdefault(each, reason)
                self.running[each].interrupt()
        return bool(found)

    def interrupt_all(self, reason: str, patience_s: float) -> bool:
        """Interrupt all queries and wait until they have ended; return whether there was one."""
        found = self.interrupt(reason)
        with self.ended:
            self.ended.wait_for(lambda: not self.running, patience_s)
        return found


def memory_of(probe: Any) -> int:
    """Return the bytes that a database uses, without its cache of tables."""
    with suppress(duckdb.OutOfMemoryException):
        return int(probe.execute(MEMORY).fetchall()[0][0])
    return MEMORY_MAX << 8  # so little is left that it cannot be asked
