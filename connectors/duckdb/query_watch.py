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


class Query:
    """A query that runs, and the cursors of its own that it needs."""

    def __init__(self, con: Any) -> None:
        self.cursor, self.probe = con.cursor(), con.cursor()
        self.done = threading.Event()
        self.reason: str | None = None  # why it was interrupted


class QueryWatch:
    """The queries that run now, each watched by a thread."""

    def __init__(self) -> None:
        self.running: list[Query] = []
        self.changed = threading.Condition()
        self.closed = False

    @contextmanager
    def watching(self, con: Any, abandoned: Callable[[], bool]) -> Iterator[Any]:
        """Yield a cursor of `con`; interrupt what it does inside the `with` block past a limit.

        Raises duckdb.InterruptException with the reason.
        """
        query = Query(con)
        with self.changed:
            query.reason = "the run has ended" if self.closed else None
            self.running.append(query)
        thread = threading.Thread(target=self._watch, args=(query, abandoned), daemon=True)
        thread.start()
        try:
            yield query.cursor
        except duckdb.InterruptException:
            raise duckdb.InterruptException(query.reason or "interrupted") from None
        finally:
            query.done.set()
            thread.join()
            with self.changed:
                query.cursor.close()
                query.probe.close()
                self.running.remove(query)
                self.changed.notify_all()

    def _watch(self, query: Query, abandoned: Callable[[], bool]) -> None:
        began, before = monotonic(), memory_of(query.probe)
        while not query.done.wait(LOOK_S):
            if query.reason is not None:  # the first came between two statements
                self.interrupt(query.reason, query)
            elif abandoned():
                self.interrupt("its reader has gone", query)
            elif monotonic() - began > TIME_MAX_S:
                self.interrupt(f"it took longer than {TIME_MAX_S:g} s", query)
            elif memory_of(query.probe) - before > MEMORY_MAX:
                self.interrupt(f"it needs more than {MEMORY_MAX >> 20} MiB in the flow", query)

    def interrupt(self, reason: str, query: Query | None = None) -> bool:
        """Interrupt one query, or all; return whether there was one."""
        with self.changed:
            found = [each for each in self.running if query in {None, each}]
            for each in found:
                each.reason = each.reason or reason
                each.cursor.interrupt()
        return bool(found)

    def close(self, patience_s: float) -> None:
        """End all queries, and those that still come."""
        self.closed = True
        self.interrupt_all("the run has ended", patience_s)

    def interrupt_all(self, reason: str, patience_s: float) -> bool:
        """Interrupt all queries and wait until they have ended; return whether there was one."""
        found = self.interrupt(reason)
        with self.changed:
            self.changed.wait_for(lambda: not self.running, patience_s)
        return found


def memory_of(probe: Any) -> int:
    """Return the bytes that a database uses, without its cache of tables."""
    with suppress(duckdb.OutOfMemoryException):
        return int(probe.execute(MEMORY).fetchall()[0][0])
    return MEMORY_MAX << 8  # so little is left that it cannot be asked
