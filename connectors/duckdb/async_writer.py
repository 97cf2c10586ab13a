"""Commits epochs on a thread of its own: a commit takes 17-60 ms, and orders would wait for it.

    flow      epoch 7 ─▶ epoch 8 ─▶ epoch 9 ...     state at 9: committed up to 7; 8 and 9 pending
    writer       └─ commit 7 ──▶ commit 8 ──▶

Epochs that are not known to be committed are part of the state: a run that resumes writes them
before anything else.
"""

from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any

import pyarrow as pa
from msgspec import Struct

Tables = Mapping[str, Any]  # pyarrow.Table by name
PendingTables = list[tuple[int, dict[str, bytes]]]  # transaction number, tables as Arrow IPC

PENDING_ROWS_MAX = 5000  # beyond that the flow waits for its disk


class PendingEpoch(Struct, frozen=True):
    """One transaction that is being written, or waits for it."""

    number: int
    tables: Tables
    written: "Future[None]"


class AsyncWriter:
    """One thread that writes epochs in their order."""

    def __init__(self, committed: int, write: Callable[[int, Tables], None]) -> None:
        """Write with `write`; transactions up to number `committed` are committed already."""
        self.committed, self.write = committed, write
        self.pending: deque[PendingEpoch] = deque()
        self.failure: BaseException | None = None  # the first: nothing is written after it
        self.thread = ThreadPoolExecutor(1, "results")

    def submit(self, number: int, tables: Tables) -> None:
        """Queue an epoch; wait until all are written where too many rows are pending."""
        written = self.run(partial(self.write, number, tables))
        self.pending.append(PendingEpoch(number, tables, written))
        rows = sum(len(table) for epoch in self.pending for table in epoch.tables.values())
        if rows > PENDING_ROWS_MAX:
            self.wait_until_written()

    def run(self, call: Callable[[], None]) -> "Future[None]":
        """Queue a call behind the epochs; after a failure it fails with the same error.

        So no later epoch is committed, counted as committed, or published.
        """
        return self.thread.submit(self._run, call)

    def _run(self, call: Callable[[], None]) -> None:
        if self.failure is not None:
            raise self.failure
        try:
            call()
        except BaseException as error:
            self.failure = error
            raise

    def wait_until_written(self) -> None:
        """Wait until every epoch is written; raise the error of one that failed."""
        while self.pending:
            self._pop_first()

    def pending_state(self) -> tuple[int, PendingTables]:
        """Return the last committed number, and the pending epochs after it.

        Raises the error of an epoch that failed.
        """
        while self.pending and self.pending[0].written.done():
            self._pop_first()
        return self.committed, [(epoch.number, to_ipc(epoch.tables)) for epoch in self.pending]

    def _pop_first(self) -> None:
        self.pending[0].written.result()
        self.committed = self.pending.popleft().number

    def close(self) -> bool:
        """Finish what is queued and end the thread; return whether all of it succeeded."""
        self.thread.shutdown()
        return self.failure is None


def to_ipc(tables: Tables) -> dict[str, bytes]:
    """Return tables as Arrow IPC streams, by name."""
    streams = {}
    for name, table in tables.items():
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
        streams[name] = bytes(sink.getvalue())
    return streams


def from_ipc(streams: Mapping[str, bytes]) -> Tables:
    """Return the tables of Arrow IPC streams, by name."""
    return {name: pa.ipc.open_stream(stream).read_all() for name, stream in streams.items()}
