"""The one reader of a flow for all clients: a snapshot and the new facts, once a second.

    LiveWatch ─▶ snapshot ─┐
    facts behind the place ┴─▶ Feed: the last batches ──▶ each client from its own place

While nobody looks it reads nothing.
"""

import asyncio
import time
from collections import deque
from pathlib import Path
from typing import Any

from tapeflow.flows.live.model import Snapshot
from tapeflow.flows.live.snapshot import LiveWatch
from tapeflow.flows.live.source import RunEndedError
from tapeflow.flows.serve.cursor import Cursor, check_length
from tapeflow.flows.serve.facts import (
    Facts,
    TooFarError,
    generation,
    newest,
    read_after,
    read_between,
)
from tapeflow.flows.serve.query_thread import QueryThread
from tapeflow.schemas.errors import TapeflowError

EVERY_S = 1.0
FULL_EVERY = 30  # reads, of which one looks for old bars of new partitions too
BATCHES = 64  # that clients may be behind before they are served by a query


class Feed:
    """What clients are shown, and how it is read."""

    def __init__(self, results: Path) -> None:
        """Prepare to read some results, of a run that goes on or has ended."""
        self.watch, self.thread = LiveWatch(results), QueryThread()
        self.read = self.watch.source.rows
        self.cursor = Cursor()
        self.batches: deque[tuple[Cursor, Facts]] = deque(maxlen=BATCHES)
        self.snapshot: Snapshot | None = None
        self.error = ""
        self.read_s, self.reads, self.clients = 0.0, 0, 0
        self.source: tuple[Any, ...] = ()
        self.commit: int | None = None
        self.changed = asyncio.Condition()
        self.stopping = asyncio.Event()

    async def follow(self) -> None:
        """Read once a second as long as there are clients, until the server stops."""
        while not self.stopping.is_set():
            if self.clients:
                await self.refresh()
            await asyncio.sleep(EVERY_S)

    async def refresh(self) -> None:
        """Read now, unless that was done within the last second."""
        if time.monotonic() - self.read_s < EVERY_S * 0.9:
            return
        await self.thread.run(self.step)
        async with self.changed:
            self.changed.notify_all()

    def step(self) -> None:
        """Read a snapshot and the facts behind the place, on the thread of queries."""
        try:
            self.snapshot = self.watch.refresh()
            self._read_facts(self.snapshot)
            self.error = ""
        except RunEndedError:
            self.error = "the run ended while it was read"
        except TapeflowError as error:
            self.error = str(error)
        self.read_s = time.monotonic()

    def _read_facts(self, snapshot: Snapshot) -> None:
        """Read the facts behind the place, where there may be any."""
        source = (snapshot.source, self.watch.source.signature, snapshot.run.started_ns)
        commit = snapshot.run.committed_ns
        if snapshot.source == "memory" or (source, commit) == (self.source, self.commit):
            return  # the file of a run that was killed may have less than was read of it
        if source != self.source and generation(self.read) != self.cursor.generation:
            self._begin_anew()
        else:
            try:
                self._append(read_after(self.read, self.cursor, bounded=self._is_quick()))
            except TooFarError:
                self._begin_anew()
        self.source, self.commit = source, commit

    def _is_quick(self) -> bool:
        self.reads += 1
        return self.reads % FULL_EVERY != 0 and bool(self.source)

    def _begin_anew(self) -> None:
        """Go behind all facts: of other results, or too many for the clients."""
        self.cursor = check_length(newest(self.read))
        self.batches.clear()

    def _append(self, facts: Facts) -> None:
        if facts.cursor != self.cursor:
            ahead = check_length(facts.cursor)
            self.batches.append((self.cursor, facts))
            self.cursor = ahead

    def from_batches(self, place: Cursor) -> list[Facts] | None:
        """Return the batches behind a place; None where they do not reach back to it."""
        if place == self.cursor:
            return []
        found = list(self.batches)
        for number, (begin, _) in enumerate(found):
            if begin == place:
                return [facts for _, facts in found[number:]]
        return None

    async def facts_behind(self, place: Cursor, instrument: str) -> Facts:
        """Return the facts behind a place: bars of one instrument, all fills and equity.

        Raises TooFarError where they are more than are sent.
        """
        batches, end = self.from_batches(place), self.cursor
        if batches is None:
            return await self.thread.run(lambda: read_between(self.read, place, end, instrument))
        return Facts(
            end,
            [bar for each in batches for bar in each.bars if bar["instrument"] == instrument],
            [fill for each in batches for fill in each.fills],
            [sample for each in batches for sample in each.equity],
        )
