"""Epochs written beside a live flow: a commit to a disk takes tens of milliseconds, an order waits.

    flow      epoch 7 ─▶ epoch 8 ─▶ epoch 9 ...     state at 9: sealed up to 7, and 8, 9 themselves
    aside        └─ commit 7 ──▶ commit 8 ──▶

What is not known to be committed is in the state: a run that goes on from it writes it first.
"""

from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pyarrow as pa
from msgspec import Struct

Tables = Mapping[str, Any]  # Arrow tables by name
WriterState = tuple[int, list[tuple[int, dict[str, bytes]]]]  # sealed up to, and what waits

WAITING_MAX = 5000  # rows that may wait; with more a flow is not live, and waits for its disk


class PendingEpoch(Struct, frozen=True):
    """One transaction that is being written."""

    number: int
    tables: Tables
    written: "Future[None]"


class AsyncWriter:
    """One thread that writes epochs, in their order."""

    def __init__(self, sealed: int, write: Callable[[int, Tables], None]) -> None:
        """Write with `write`; up to `sealed` is committed."""
        self.sealed, self.write = sealed, write
        self.waiting: deque[PendingEpoch] = deque()
        self.healthy = True
        self.thread = ThreadPoolExecutor(1, "results")

    def submit(self, number: int, tables: Tables) -> None:
        """Write an epoch, soon."""
        written = self.thread.submit(self._write, number, tables)
        self.waiting.append(PendingEpoch(number, tables, written))
        rows = sum(len(table) for epoch in self.waiting for table in epoch.tables.values())
        if rows > WAITING_MAX:
            self.drain()

    def _write(self, number: int, tables: Tables) -> None:
        if not self.healthy:
            return  # behind one that failed nothing may be committed, or published
        self.healthy = False
        self.write(number, tables)
        self.healthy = True

    def drain(self) -> None:
        """Wait until everything is written; raises what went wrong."""
        while self.waiting:
            self._seal()

    def kept(self) -> WriterState:
        """What a later run needs to know; raises what went wrong."""
        while self.waiting and self.waiting[0].written.done():
            self._seal()
        return self.sealed, [(epoch.number, packed(epoch.tables)) for epoch in self.waiting]

    def _seal(self) -> None:
        self.waiting[0].written.result()
        self.sealed = self.waiting.popleft().number

    def close(self) -> bool:
        """Let what was begun end; did all of it succeed?"""
        self.thread.shutdown()
        return self.healthy


def packed(tables: Tables) -> dict[str, bytes]:
    """Tables as plain bytes."""
    kept = {}
    for name, table in tables.items():
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
        kept[name] = bytes(sink.getvalue())
    return kept


def unpacked(kept: Mapping[str, bytes]) -> Tables:
    """The tables again."""
    return {name: pa.ipc.open_stream(table).read_all() for name, table in kept.items()}
