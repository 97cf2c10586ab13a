"""Prove a position of a log: the records before it are those that were read.

    records   | # . # | . . # # | . . |      # a frame   . a heartbeat   | pages of the reader
              ^origin                 ^position

A position keeps hashes of the last records before it, and where the reader was before the first of
them. A reader that resumes begins there, and each of them must be the same again. Records that are
older, and differ, are not found: that would take reading all of the log again.
"""

from collections import deque
from collections.abc import Iterable
from hashlib import blake2b
from typing import Any, NamedTuple

import numpy as np

from tapeflow.schemas.batches import Page
from tapeflow.schemas.errors import TapeflowError

FRAMES = 16  # that are hashed: of two logs with one clock the heartbeats are often equal
LOOK_BACK = 1024  # records in which they are looked for, of a page
SPAN_RECORDS = 10_000  # that a restart reads again where there are no frames among them
HASHED_BYTES = 4096  # of a frame, from its beginning
HASH_BYTES = 8

Hash = tuple[int, bytes]  # offset of a record, hash of its log time and frame


def hash_record(page: Page, row: int) -> Hash:
    """Return the offset and the hash of one record: its log time as written, and its frame."""
    begin, end = int(page.starts[row]), int(page.ends[row])
    hashed = blake2b(b"%d %d " % (page.stamps[row], end - begin), digest_size=HASH_BYTES)
    hashed.update(page.data[begin : min(end, begin + HASHED_BYTES)].tobytes())
    return page.first_offset + row, hashed.digest()


class Passage(NamedTuple):
    """Records that were delivered, and the reader's position before its page of them."""

    origin: Any
    page: Page
    frames: int  # among its last records


class Trail:
    """The last records that were delivered of a partition."""

    def __init__(self) -> None:
        self.passages: deque[Passage] = deque()
        self.frames = 0  # of all passages
        self.newest: Page | None = None

    def add(self, page: Page, origin: Any) -> None:
        """Add records that were delivered, from a page of which the reader was at `origin`."""
        frames = int(np.count_nonzero(page.ends[-LOOK_BACK:] > page.starts[-LOOK_BACK:]))
        self.newest = page
        passages = self.passages
        if not frames and passages and not self._is_long(passages[-1], page):
            return
        passages.append(Passage(origin, page, frames))
        self.frames += frames
        while len(passages) > 1 and (
            self.frames - passages[0].frames >= FRAMES or self._is_long(passages[1], page)
        ):
            self.frames -= passages.popleft().frames

    def _is_long(self, passage: Passage, newest: Page) -> bool:
        return newest.next_offset - passage.page.first_offset >= SPAN_RECORDS

    def origin(self) -> Any:
        """Return the position from which a reader comes by all records that are hashed."""
        return self.passages[0].origin

    def hashes(self) -> tuple[Hash, ...]:
        """Return the hashes of the last frames, and of the last record, in order of offsets."""
        found: dict[int, bytes] = {}
        for _, page, _ in self.passages:
            first = max(len(page.log_ns) - LOOK_BACK, 0)
            rows = np.flatnonzero(page.ends[first:] > page.starts[first:])[-FRAMES:] + first
            found.update(hash_record(page, row) for row in rows.tolist())
        last = [*found.items()][-FRAMES:]
        if self.newest is not None:
            last.append(hash_record(self.newest, len(self.newest.log_ns) - 1))
        return tuple(dict(last).items())


class Proof:
    """The check of a position's hashes, as the records before it are read again."""

    def __init__(self, next_offset: int, hashes: Iterable[Hash]) -> None:
        """Prepare to check `hashes` of records before `next_offset`."""
        self.next_offset = next_offset
        self.hashes = dict(hashes)  # of records that were not read again yet
        self.checked = 0  # records that were the same

    def check(self, page: Page, place: str) -> None:
        """Check records that were read again at a place; TapeflowError for one that differs."""
        inside = range(page.first_offset, page.next_offset)
        for offset in [each for each in self.hashes if each in inside]:
            if hash_record(page, offset - page.first_offset)[1] != self.hashes.pop(offset):
                raise TapeflowError(
                    f"{place} is not the log that the state has read: record {offset:,} differs: "
                    "go back to that log, or start with a fresh --state"
                )
            self.checked += 1

    def missing(self, place: str) -> TapeflowError:
        """Return the error of a log that ends before the position, or lacks records before it."""
        return TapeflowError(
            f"{place} is not the log that the state has read: that went on to record "
            f"{self.next_offset - 1:,}, which is not there: go back to that log, or start with a "
            "fresh --state"
        )
