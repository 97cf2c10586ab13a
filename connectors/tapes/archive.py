"""The archive sink: raw frames in one Parquet file per hour and partition, exactly once.

    pages ──▶ open hour, append ──record of a later hour, or end of the log──▶ closed hour, Parquet
                   │ snapshot: sync; its length in bytes
    resume:        truncate to the length in the snapshot; skip records that closed hours hold

Why no kill loses or duplicates a record: a snapshot is (next offset, hour, bytes of the open hour).
- Killed while the hour was open: what was appended after the snapshot is truncated, and the source
  reads it again.
- Killed after the hour was closed: the closed file reaches further than the snapshot. Its records
  are those of the log, so those that the source reads again are skipped up to the file's end.
- A closed file is written under another name, synced and renamed; only then is its open hour
  deleted. One of the two is always complete.

At the end of the log its last hour is closed as it is. When more of that hour comes in a later run,
it is opened again with the records of the closed file, which a longer one then replaces.
"""

import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition

from tapeflow.connectors.fsync import sync
from tapeflow.connectors.tapes.archive_layout import (
    HOUR_NS,
    closed_files,
    closed_path,
    open_path,
)
from tapeflow.connectors.tapes.hour_file import (
    Record,
    last_record,
    page_rows,
    read_closed,
    read_open,
    to_stream,
    translate_errors,
    write_closed,
)
from tapeflow.engine.errors import capture_close_errors, capture_errors
from tapeflow.schemas.batches import Page
from tapeflow.schemas.errors import TapeflowError

BUFFER_BYTES = 4 << 20  # of frames that wait in memory, of each partition
FRESH = "archive into a fresh folder, with a fresh --state"

# version; next offset, None before the first; hour or NO_HOUR; bytes of the open hour
State = tuple[int, int | None, int, int]
NO_HOUR = -1


class ArchiveSink(FixedPartitionedSink[Page, State]):
    """A sink that writes pages into the hour files of their partitions."""

    VERSION: ClassVar[int] = 1  # of its state

    def __init__(self, folder: Path, partitions: Iterable[str]) -> None:
        """Archive `partitions`, in the order of the source, into folders of their names."""
        self.folder = folder
        self.number = {name: number for number, name in enumerate(partitions)}

    def list_parts(self) -> list[str]:
        """Return the partitions as the source names them: each is written where it is read."""
        return [f"{number:04d} {name}" for name, number in self.number.items()]

    def part_fn(self, item_key: str) -> int:
        """Return the number of a partition, given its state key."""
        return self.number[item_key.rpartition("~")[0]]

    @capture_errors
    def build_part(
        self, step_id: str, for_part: str, resume_state: State | None
    ) -> "ArchivePartition":
        """Open the folder of a partition at a state, or without one."""
        return ArchivePartition(self.folder / for_part.partition(" ")[2], resume_state)


class ArchivePartition(StatefulSinkPartition[Page, State]):
    """The owner of one partition's folder."""

    def __init__(self, folder: Path, state: State | None) -> None:
        """Continue from a state or, without one, after the records of the closed hours."""
        self.folder = folder
        self.next: int | None = None  # offset of the next record; None: not known yet
        self.open: OpenHour | None = None
        self.last: Record | None = None  # the last one of the closed hours
        with translate_errors(folder, "written"):
            folder.mkdir(parents=True, exist_ok=True)
            sync(folder.parent)
            if closed := closed_files(folder):
                self.last = last_record(closed[-1])
            if state is not None:
                self._resume(state)
            for path in (*folder.glob(".*.open"), *folder.glob(".*.next")):
                if self.open is None or path != self.open.path:
                    os.unlink(path)

    @property
    def closed_to(self) -> int:
        """The offset after the last record of the closed hours."""
        return 0 if self.last is None else self.last.offset + 1

    def _resume(self, state: State) -> None:
        version, self.next, hour, size = state
        if version != ArchiveSink.VERSION:
            raise TapeflowError(
                f"{self.folder}: the archive's state is of version {version}, this is "
                f"{ArchiveSink.VERSION}: start with a fresh --state"
            )
        if self.next is None or self.next <= self.closed_to:
            return  # closed hours hold these records, and perhaps more
        path = open_path(self.folder, hour)
        if hour == NO_HOUR or not path.exists() or path.stat().st_size < size:
            raise TapeflowError(
                f"{self.folder}: the state has archived the records before {self.next}, but only "
                f"those before {self.closed_to} are there: is it another folder? {FRESH}"
            )
        self.open = OpenHour(path, hour, size)

    @capture_errors
    def write_batch(self, values: list[Page]) -> None:
        """Append the records of pages to their hours, and close every hour that is over."""
        with translate_errors(self.folder, "written"):
            for page in values:
                self._check(page)
                if page.end_of_log:
                    self._close_hour()
                else:
                    self._append(page)
                    self.next = page.next_offset

    def _check(self, page: Page) -> None:
        """Refuse a page that does not follow, or records that differ from those archived."""
        first, expected, last = page.first_offset, self.next, self.last
        if expected is None:  # the log is read from its beginning
            expected = first if last is None else min(first, self.closed_to)
        if first != expected:
            raise TapeflowError(
                f"{self.folder}: record {expected} should come next, but {first} does: those "
                f"between are lost; {FRESH}"
            )
        if last is None or self.open is not None or first > last.offset:
            return
        number = last.offset - first
        if page.end_of_log:
            raise TapeflowError(
                f"{self.folder}: the log ends before record {first}, the archive behind "
                f"{last.offset}: was the topic recreated? {FRESH}"
            )
        if number < len(page.log_ns) and last != record_of(page, number):
            raise TapeflowError(
                f"{self.folder}: record {last.offset} is another one than in the log: was the "
                f"topic recreated? {FRESH}"
            )

    def _append(self, page: Page) -> None:
        """Append the records of a page to their hours, without those that closed hours hold."""
        hours = page.log_ns // HOUR_NS
        begin = 0 if self.open is not None else max(self.closed_to - page.first_offset, 0)
        while begin < len(hours):
            hour = int(hours[begin])
            end = int(np.searchsorted(hours, hour, "right"))
            if self.open is not None and self.open.hour != hour:
                self._close_hour()
            if self.open is None:
                self.open = self._open_hour(hour)
            self.open.add(page_rows(page, begin, end))
            begin = end

    def _open_hour(self, hour: int) -> "OpenHour":
        """Begin an hour, or open one again that the end of the log has closed."""
        opened = OpenHour(open_path(self.folder, hour), hour)
        if (closed := closed_path(self.folder, hour)).exists():
            for batch in read_closed(closed):
                opened.add(batch)
        return opened

    def _close_hour(self) -> None:
        """Close the open hour, if there is one: write its Parquet file, delete the open file."""
        if (hour := self.open) is not None:
            hour.write()
            path = closed_path(self.folder, hour.hour)
            write_closed(path, read_open(hour.path))
            self.last, self.open = last_record(path), None
            hour.close()
            os.unlink(hour.path)

    @capture_errors
    def snapshot(self) -> State:
        """Sync what was appended; return the state to resume from."""
        with translate_errors(self.folder, "written"):
            if self.open is None:
                return ArchiveSink.VERSION, self.next, NO_HOUR, 0
            self.open.sync()
            return ArchiveSink.VERSION, self.next, self.open.hour, self.open.size

    @capture_close_errors
    def close(self) -> None:
        """Close the open hour's file; what no snapshot holds is cut off by the next start."""
        if self.open is not None:
            self.open.close()


class OpenHour:
    """The open hour of a partition: its file, and the batches not written to it yet."""

    def __init__(self, path: Path, hour: int, size: int = 0) -> None:
        """Open an hour's file and truncate it to `size` bytes."""
        self.path, self.hour, self.size = path, hour, size
        self.file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        os.ftruncate(self.file, size)
        self.batches: list[Any] = []
        self.waiting = 0  # bytes of them
        self.synced = True

    def add(self, batch: Any) -> None:
        """Buffer a batch of rows; write the buffer once it holds BUFFER_BYTES."""
        self.batches.append(batch)
        self.waiting += batch.nbytes
        if self.waiting >= BUFFER_BYTES:
            self.write()

    def write(self) -> None:
        """Append the buffered batches to the file."""
        if self.batches:
            stream = to_stream(self.batches)
            self.batches, self.waiting, self.synced = [], 0, False
            written = 0
            while written < len(stream):
                written += os.write(self.file, stream[written:])
            self.size += written

    def sync(self) -> None:
        """Write the buffered batches, and wait until the file is on the disk."""
        self.write()
        if not self.synced:
            os.fsync(self.file)
            self.synced = True

    def close(self) -> None:
        """Close the file without writing the buffered batches."""
        os.close(self.file)


@contextmanager
def exclusive_lock(folder: Path) -> Iterator[None]:
    """Lock an archive's folder for one run; TapeflowError where another run has the lock."""
    with translate_errors(folder, "written"):
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / ".lock").open("w")
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise TapeflowError(f"{folder} is being written by another run: name another") from None
        yield


def record_of(page: Page, number: int) -> Record:
    """Return one record of a page; `number` counts from its first."""
    return Record(page.first_offset + number, int(page.stamps[number]), page.frame(number))
